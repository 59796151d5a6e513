// libuv, test/test-signal*.c: what they observe of signals.

import { caseTests } from "../signal_fixture.ts";

caseTests("tests/process/signal_conformance_child.ts", {
  libuvSignals: "libuv: we_get_signals, two kinds in turn, each is seen as often as it was sent",
  libuvOneShot: "libuv: one_shot, after closing nothing is seen, and a new handle sees the next",
  libuvPendingOnClose: "libuv: signal_pending_on_close, closing ends while signals arrive",
});
