/**
 * The lines of the misuse table for what decides where and on what workers run.
 *
 * @module
 */

import { getAffinity } from "../../handles/affinity.ts";
import type { Subject } from "./subjects.ts";

/** By the names of mod.ts. */
export const POLICY_SUBJECTS: Readonly<Record<string, Subject>> = {
  setAffinity: { valid: { setAffinity: () => [getAffinity()] } },
  getAffinity: { valid: {} },
  currentCPU: { valid: {} },
  cpuTopology: { valid: {} },
  spreadCPUs: { valid: { spreadCPUs: () => [2] } },
};
