import { assertEquals, assertThrows } from "@std/assert";
import { os } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { Loop } from "../loop/loop.ts";
import type { LoopMetrics } from "../loop/metrics.ts";
import {
  type PollerCandidate,
  type PollerDecision,
  PollerPolicy,
  type PollerPolicyOptions,
} from "../loop/poller_policy.ts";
import { test } from "./support.ts";

function metrics(events: number): LoopMetrics {
  using loop = Loop.create();
  return { ...loop.metrics(), events };
}

const QUIET = metrics(0);
const BUSY = metrics(1000);

/** epoll for much to do, kqueue for everything else, on a system that has both. */
const BOTH: readonly PollerCandidate[] = [
  { poller: "epoll", supported: () => true, suits: ({ events }) => events > 100 },
  { poller: "kqueue", supported: () => true },
];

/** A policy that begins with epoll, and the clock that it is on. */
function policyAt(options: PollerPolicyOptions = {}): {
  policy: PollerPolicy;
  clock: { now: number };
} {
  const clock = { now: 5_000_000 };
  const policy = new PollerPolicy({ candidates: BOTH, now: () => clock.now, ...options });
  assertEquals(policy.decide(BUSY).poller, "epoll");
  return { policy, clock };
}

const stays = (poller: PollerDecision["poller"], reason: string): PollerDecision => ({
  poller,
  switched: false,
  reason,
});

test("C31 PollerPolicy: this system's own poller, for every load, and why", () => {
  const policy = new PollerPolicy();
  assertEquals([policy.current, policy.frozen, policy.locked], [null, false, false]);
  const poller = os === "linux" ? "epoll" : "kqueue";
  for (const load of [QUIET, BUSY, QUIET]) {
    assertEquals(policy.decide(load), stays(poller, `${poller}: the only poller of this system`));
  }
  assertEquals(policy.current, poller);
});

test("C31 PollerPolicy: the first candidate that is here and suits the load", () => {
  const policy = new PollerPolicy({ candidates: BOTH });
  assertEquals(policy.decide(QUIET), stays("kqueue", "kqueue: the first that suits the load"));
  const absent = BOTH.map((one) => ({ ...one, supported: () => one.poller === "epoll" }));
  const alone = new PollerPolicy({ candidates: absent });
  assertEquals(alone.decide(QUIET), stays("epoll", "epoll: the only poller of this system"));
  const picky = BOTH.map((one) => ({ ...one, suits: () => false }));
  const none = new PollerPolicy({ candidates: picky.reverse() });
  assertEquals(none.decide(QUIET), stays("kqueue", "kqueue: none suits the load"));
});

test("C31 PollerPolicy: a load that no poller suits changes nothing", () => {
  const suits = ({ events }: LoopMetrics): boolean => events === 7;
  const { policy } = policyAt({ candidates: [BOTH[0]!, { ...BOTH[1]!, suits }] });
  assertEquals(policy.decide(metrics(7)).poller, "kqueue");
  assertEquals(policy.decide(QUIET), stays("kqueue", "kqueue: none suits the load"));
});

test("C31 PollerPolicy: a change, and the cooldown after it, to the millisecond", () => {
  const { policy, clock } = policyAt();
  const reason = "kqueue instead of epoll: the first that suits the load";
  assertEquals(policy.decide(QUIET), { poller: "kqueue", switched: true, reason });
  assertEquals(policy.current, "kqueue");
  assertEquals(policy.decide(QUIET), stays("kqueue", "kqueue: the first that suits the load"));
  const cooling = (ms: number): PollerDecision =>
    stays("kqueue", `kqueue instead of epoll: cooling down for another ${ms} ms`);
  assertEquals(policy.decide(BUSY), cooling(30_000));
  clock.now += 29_999.5;
  assertEquals(policy.decide(BUSY), cooling(1));
  clock.now += 0.5;
  assertEquals(policy.decide(BUSY).switched, true);
});

test("C31 PollerPolicy: the first decision is no change, and starts no cooldown", () => {
  const { policy } = policyAt();
  assertEquals(policy.decide(QUIET).switched, true);
});

test("C31 PollerPolicy: freezes are counted, and hold until the last is taken back", () => {
  const { policy } = policyAt();
  policy.freeze();
  policy.freeze();
  assertEquals(policy.frozen, true);
  const frozen = (times: number): PollerDecision =>
    stays("epoll", `epoll instead of kqueue: frozen ${times} times`);
  assertEquals(policy.decide(QUIET), frozen(2));
  policy.unfreeze();
  assertEquals(policy.decide(QUIET), frozen(1));
  assertEquals(policy.decide(BUSY), stays("epoll", "epoll: the first that suits the load"));
  policy.unfreeze();
  assertEquals([policy.frozen, policy.decide(QUIET).switched], [false, true]);
  assertThrows(() => policy.unfreeze(), Error, "not frozen");
  assertEquals(policy.frozen, false);
});

test("C31 PollerPolicy: frozen before the first decision, a worker gets a poller all the same", () => {
  const policy = new PollerPolicy({ candidates: BOTH });
  policy.freeze();
  assertEquals(policy.decide(BUSY).poller, "epoll");
  assertEquals(policy.decide(QUIET).poller, "epoll");
});

test("C31 PollerPolicy: three changes in the window lock it until unlock()", () => {
  const { policy, clock } = policyAt({ cooldown: 1000, window: 10_000 });
  for (const load of [QUIET, BUSY, QUIET]) {
    assertEquals([policy.locked, policy.decide(load).switched], [false, true]);
    clock.now += 1000;
  }
  assertEquals([policy.locked, policy.current], [true, "kqueue"]);
  clock.now += 1e9; // no time unlocks it
  const reason = "kqueue instead of epoll: locked after 3 changes, until unlock()";
  assertEquals(policy.decide(BUSY), stays("kqueue", reason));
  policy.unlock();
  assertEquals([policy.locked, policy.decide(BUSY).switched, policy.locked], [false, true, false]);
});

test("C31 PollerPolicy: changes that leave the window are not counted", () => {
  const { policy, clock } = policyAt({ cooldown: 0, window: 10_000, maxSwitches: 2 });
  for (let round = 0; round < 20; round++) {
    assertEquals(policy.decide(round % 2 === 0 ? QUIET : BUSY).switched, true);
    assertEquals(policy.locked, false);
    clock.now += 10_000;
  }
  clock.now -= 1;
  assertEquals([policy.decide(QUIET).switched, policy.locked], [true, true]);
});

test("C31 PollerPolicy: the system is asked once, at the first decision", () => {
  let asked = 0;
  const supported = (): boolean => ++asked > 0;
  const policy = new PollerPolicy({ candidates: [{ poller: "epoll", supported }] });
  assertEquals(asked, 0);
  policy.decide(QUIET);
  policy.decide(QUIET);
  assertEquals(asked, 1);
});

test("C31 PollerPolicy: a system without any is said so; an error of the asking is passed on", () => {
  const supported = (): boolean => false;
  const candidates = BOTH.map((one) => ({ ...one, supported }));
  const policy = new PollerPolicy({ candidates });
  assertThrows(() => policy.decide(QUIET), UnsupportedError, "epoll or kqueue");
  let free = 0;
  const scarce = (): boolean => {
    if (free === 0) throw new SyscallError("epoll_create1", 24);
    return true;
  };
  const tried = new PollerPolicy({ candidates: [{ poller: "epoll", supported: scarce }] });
  assertThrows(() => tried.decide(QUIET), SyscallError, "EMFILE");
  assertEquals(tried.current, null);
  free = 1;
  assertEquals(tried.decide(QUIET).poller, "epoll");
});

test("C31 PollerPolicy: the candidates are copied", () => {
  const candidates = [...BOTH];
  const policy = new PollerPolicy({ candidates });
  candidates.length = 0;
  assertEquals(policy.decide(BUSY).poller, "epoll");
});

test("X03 PollerPolicy: wrong options, metrics and answers", () => {
  const make = (options: unknown) => () => new PollerPolicy(options as PollerPolicyOptions);
  const one = BOTH[0]!;
  const types = [
    null,
    3,
    { candidates: 3 },
    { candidates: [null] },
    { candidates: [{ ...one, poller: "poll" }] },
    { candidates: [{ ...one, supported: true }] },
    { candidates: [{ ...one, suits: null }] },
    { cooldown: "1" },
    { maxSwitches: "1" },
    { window: null },
    { now: 5 },
  ];
  for (const bad of types) assertThrows(make(bad), TypeError, "PollerPolicy");
  const ranges = [
    { candidates: [] },
    { candidates: [one, one] },
    { cooldown: -1 },
    { maxSwitches: 0 },
    { maxSwitches: 1.5 },
    { window: Infinity },
  ];
  for (const bad of ranges) assertThrows(make(bad), RangeError, "PollerPolicy");
  for (const bad of [undefined, null, 3, "metrics"]) {
    assertThrows(() => new PollerPolicy().decide(bad as never), TypeError, "Loop.metrics()");
  }
  const vague = new PollerPolicy({ candidates: [{ ...one, supported: () => 1 as never }] });
  assertThrows(() => vague.decide(QUIET), TypeError, "supported() of epoll");
  const unsure = [{ ...one, suits: () => undefined as never }, BOTH[1]!];
  const undecided = new PollerPolicy({ candidates: unsure });
  assertThrows(() => undecided.decide(QUIET), TypeError, "suits() of epoll");
  let now: unknown = 0;
  const { policy } = policyAt({ now: () => now as number });
  for (now of [NaN, Infinity, undefined, "0"]) {
    assertThrows(() => policy.decide(QUIET), TypeError, "now()");
    assertEquals(policy.current, "epoll");
  }
});
