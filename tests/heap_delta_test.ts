import { assert, AssertionError, assertRejects } from "@std/assert";
import { assertNoAllocation, heapDelta } from "./heap_delta.ts";
import { test } from "./support.ts";

test("I18 heap delta: a loop that stores small integers passes", async () => {
  await assertNoAllocation({
    setup: `const words = new Uint32Array(2);`,
    call: `words[call & 1] = call;`,
  });
});

const ALLOCATING: Readonly<Record<string, { setup: string; call: string }>> = {
  "an object": { setup: `let kept: unknown;`, call: `kept = { call }; void kept;` },
  "a bigint": {
    setup: `const words = new BigUint64Array([2n ** 63n]); let kept: bigint;`,
    call: `kept = words[0]!; void kept;`,
  },
  "a closure": { setup: `let kept: unknown;`, call: `kept = () => call; void kept;` },
  "a typed array": { setup: `let kept: unknown;`, call: `kept = new Uint8Array(8); void kept;` },
};

for (const [what, hot] of Object.entries(ALLOCATING)) {
  test(`I18 heap delta: ${what} in each call is seen`, async () => {
    await assertRejects(() => assertNoAllocation(hot), AssertionError, "bytes a call");
  });
}

test("I18 heap delta: one object in ten calls is seen", async () => {
  const { measured, control } = await heapDelta({
    setup: `let kept: unknown;`,
    call: `if (call % 10 === 0) kept = { call }; void kept;`,
  });
  assert(measured >= 1 && measured < control, `${measured} of ${control} bytes`);
});

test("I18 heap delta: a child that fails is an error", async () => {
  await assertRejects(
    () => assertNoAllocation({ setup: `throw new Error("no set-up");`, call: `` }),
    AssertionError,
    "no set-up",
  );
});
