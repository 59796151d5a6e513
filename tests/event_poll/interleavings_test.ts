// G14: whatever happens while a scan asks its sources, no notification is lost. All interleavings of a
// small model: each source that is asked does one thing, before or after it has answered.

import { assert, assertEquals, assertGreater } from "@std/assert";
import { EntryFlags, EventMask } from "../../loop/event_mask.ts";
import { EventPoll } from "../../loop/event_poll.ts";
import { WaitableBase } from "../../loop/waitable.ts";
import { test } from "../support.ts";

const { IN } = EventMask;
const { OneShot, EdgeTriggered } = EntryFlags;

/** What a source can do while the poll asks. */
const VERBS = ["set", "clear", "update", "remove", "add"] as const;

interface Action {
  readonly verb: (typeof VERBS)[number];
  /** The source it is done to. */
  readonly target: number;
  /** Whether it comes before the source that is asked has looked at itself. */
  readonly before: boolean;
}

class Source extends WaitableBase {
  ready = false;
  readonly #asked: (look: () => number) => number;

  constructor(asked: (look: () => number) => number) {
    super();
    this.#asked = asked;
  }

  readiness(mask: number): number {
    return this.#asked(() => (this.ready ? IN & mask : 0));
  }

  tell(): void {
    this.listeners.notify(IN);
  }
}

/** One entry, as epoll(7) describes it: the model that the poll is held to. */
interface Expected {
  present: boolean;
  enabled: boolean;
  /** Whether something has happened that was not reported yet. */
  owed: boolean;
}

interface Setting {
  readonly flags: readonly number[];
  /** Bits: which are ready before the scan. */
  readonly ready: number;
  readonly max: number;
  /** What happens at the first question, at the second, … */
  readonly actions: readonly (Action | null)[];
}

/** A poll whose sources act while they are asked. */
class Model {
  readonly #poll: EventPoll = new EventPoll();
  readonly #sources: Source[];
  readonly #expected: Expected[];
  readonly #setting: Setting;
  readonly #deaf: boolean;
  #question = -1;
  /** Which entries were set anew since the scan began to ask them. */
  readonly #anew: Set<number> = new Set();

  constructor(setting: Setting, deaf: boolean) {
    this.#setting = setting;
    this.#deaf = deaf;
    this.#sources = setting.flags.map((_, index) => new Source((look) => this.#asked(index, look)));
    this.#expected = setting.flags.map(() => ({ present: false, enabled: false, owed: false }));
    setting.flags.forEach((_, index) => this.#do("add", index));
    setting.flags.forEach((_, index) => {
      if ((setting.ready & (1 << index)) !== 0) this.#do("set", index);
    });
  }

  /** What was wrong, null when nothing was. */
  run(): string | null {
    this.#question = 0;
    const first = this.#read(this.#setting.max);
    if (first !== null) return first;
    this.#question = -1;
    return this.#read(8, this.#expected.map((_, index) => this.#isDue(index)));
  }

  /** Reads once, and compares with what is due, where that is known. */
  #read(max: number, due: readonly boolean[] | null = null): string | null {
    const seen = this.#poll.readEvents(max).map(({ data }) => Number(data));
    if (new Set(seen).size < seen.length) return `reported twice: ${seen}`;
    // What happens before the source is asked may be reported twice, by the kernel, too.
    const extra = due === null ? undefined : seen.find((index) => !this.#mayBe(index));
    if (extra !== undefined) return `reported what is not so: ${extra}`;
    for (const index of seen) {
      const { flags } = this.#setting;
      if ((flags[index]! & OneShot) !== 0 && !this.#anew.has(index)) {
        this.#expected[index]!.enabled = false;
      }
    }
    if (due === null) return null;
    const lost = due.findIndex((isDue, index) => isDue && !seen.includes(index));
    return lost < 0 ? null : `lost ${lost}: reported ${seen}`;
  }

  #mayBe(index: number): boolean {
    const { present, enabled } = this.#expected[index]!;
    return present && enabled && this.#sources[index]!.ready;
  }

  #isDue(index: number): boolean {
    const isLevel = (this.#setting.flags[index]! & EdgeTriggered) === 0;
    return this.#mayBe(index) && (isLevel || this.#expected[index]!.owed);
  }

  #asked(index: number, look: () => number): number {
    if (this.#question < 0) return look();
    const action = this.#setting.actions[this.#question++] ?? null;
    this.#anew.delete(index);
    if (action?.before) this.#do(action.verb, action.target);
    const words = look();
    // What is known up to here is reported by this answer, or is no longer so.
    this.#expected[index]!.owed = false;
    if (action !== null && !action.before) this.#do(action.verb, action.target);
    return words;
  }

  #do(verb: Action["verb"], index: number): void {
    const source = this.#sources[index]!;
    const expected = this.#expected[index]!;
    const id = { file: source };
    const flags = this.#setting.flags[index]!;
    // The poll asks what it is given, too: that is no question of the scan.
    const question = this.#question;
    this.#question = -1;
    if (verb === "set") {
      source.ready = true;
      if (expected.enabled) expected.owed = true;
      if (!this.#deaf || question < 0) source.tell();
    } else if (verb === "clear") source.ready = false;
    else if (verb === "remove") {
      if (expected.present) this.#poll.removeEntry(id);
      expected.present = expected.enabled = expected.owed = false;
    } else {
      if (expected.present) this.#poll.updateEntry(id, flags, IN, index);
      else if (verb === "add") this.#poll.addEntry(id, flags, IN, index);
      else {
        this.#question = question;
        return;
      }
      expected.present = expected.enabled = true;
      expected.owed = source.ready;
      this.#anew.add(index);
    }
    this.#question = question;
  }
}

/** Every list of `length` of some choices. */
function* lists<T>(choices: readonly T[], length: number): Generator<T[]> {
  if (length === 0) return yield [];
  for (const rest of lists(choices, length - 1)) for (const one of choices) yield [one, ...rest];
}

/** Every setting of so many sources of some kinds that act at so many questions. */
function* settings(
  sources: number,
  kinds: readonly number[],
  questions: number,
  phases: readonly boolean[],
): Generator<Setting> {
  const actions: (Action | null)[] = [null];
  for (const verb of VERBS) {
    for (let target = 0; target < sources; target++) {
      for (const before of phases) actions.push({ verb, target, before });
    }
  }
  const behaviours = [...lists(actions, questions)];
  for (const flags of lists(kinds, sources)) {
    for (let ready = 0; ready < 2 ** sources; ready++) {
      for (let max = 1; max <= sources; max++) {
        for (const actions of behaviours) yield { flags, ready, max, actions };
      }
    }
  }
}

const KINDS = [0, EdgeTriggered, OneShot, EdgeTriggered | OneShot];

/** Runs every setting: how many there were, and what was wrong first. */
function all(
  every: Iterable<Setting>,
  deaf: boolean = false,
): [runs: number, wrong: string | null] {
  let runs = 0;
  for (const setting of every) {
    runs++;
    const wrong = new Model(setting, deaf).run();
    if (wrong !== null) return [runs, `${wrong} in ${JSON.stringify(setting)}`];
  }
  return [runs, null];
}

for (
  const [name, every] of [
    ["two sources that act at two questions", () => settings(2, KINDS, 2, [true, false])],
    ["two sources that act at three questions", () => settings(2, KINDS, 3, [false])],
    ["three sources that act at two questions", () => settings(3, [0, EdgeTriggered], 2, [false])],
  ] as const
) {
  test(`G14 EventPoll: nothing is lost in any interleaving of ${name}`, () => {
    const [runs, wrong] = all(every());
    assertEquals(wrong, null);
    assertGreater(runs, 30_000);
  }, { timeoutMs: 120_000 });
}

test("G14 the model notices what is lost, on a poll that hears nothing while it asks", () => {
  const [, wrong] = all(settings(2, [EdgeTriggered], 2, [false]), true);
  assert(wrong?.startsWith("lost"), String(wrong));
});
