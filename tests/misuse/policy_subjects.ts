/**
 * The lines of the misuse table for what decides where and on what workers run.
 *
 * @module
 */

import { getAffinity } from "../../handles/affinity.ts";
import { Loop } from "../../loop/loop.ts";
import { type PollerCandidate, PollerPolicy } from "../../loop/poller_policy.ts";
import type { Subject } from "./subjects.ts";

const candidates = (): PollerCandidate[] => [
  { poller: "epoll", supported: () => true, suits: () => true },
  { poller: "kqueue", supported: () => true },
];

/** By the names of mod.ts. */
export const POLICY_SUBJECTS: Readonly<Record<string, Subject>> = {
  setAffinity: { valid: { setAffinity: () => [getAffinity()] } },
  getAffinity: { valid: {} },
  currentCPU: { valid: {} },
  cpuTopology: { valid: {} },
  PollerPolicy: {
    make: () => new PollerPolicy({ candidates: candidates() }),
    refused: ["unfreeze"], // a policy that nobody has frozen
    valid: {
      new: () => [{
        candidates: candidates(),
        cooldown: 1,
        maxSwitches: 1,
        window: 1,
        now: () => 0,
      }],
      decide(scope) {
        return [scope.keep(Loop.create()).metrics()];
      },
    },
  },
  spreadCPUs: { valid: { spreadCPUs: () => [2] } },
};
