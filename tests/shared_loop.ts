/**
 * Opens the loop that a thread shares, with its thread and all that it opens at a first use: these
 * belong to no single test. Import it where a test waits without a loop of its own, and never close
 * that loop: Bun runs all files in one process, and the next file would open it within a test.
 *
 * @module
 */

import { Loop } from "../loop/loop.ts";

await new Promise<void>((resolve) => Loop.shared.setTimer(0, resolve));
