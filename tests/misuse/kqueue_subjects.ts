/**
 * The lines of the misuse table for kqueue. Where this machine has none, the instances are those of a
 * kernel that is not there, and what opens a real one is refused.
 *
 * @module
 */

import { posix } from "../../ffi/const_posix.ts";
import { kqueueHere } from "../../ffi/kqueue.ts";
import { libc } from "../../ffi/libc.ts";
import { Kqueue } from "../../handles/kqueue.ts";
import { KqueueEvents } from "../../handles/kqueue_events.ts";
import { EV, NOTE } from "../../handles/kqueue_words.ts";
import { FakeKqueue } from "../kqueue_fake.ts";
import type { Scope } from "./scope.ts";
import type { Arguments, Subject } from "./subjects.ts";

const isReal = kqueueHere() !== null;
const fake = isReal ? null : new FakeKqueue("darwin");

if (fake !== null) fake.ready = true;

/** With something to report, so that no wait waits. */
function make(): Kqueue {
  if (fake !== null) return fake.queue();
  const queue = Kqueue.create();
  queue.control([{ filter: "USER", ident: 9, flags: EV.ADD }]);
  queue.control([{ filter: "USER", ident: 9, flags: 0, fflags: NOTE.TRIGGER }]);
  return queue;
}

const room = (): KqueueEvents => fake === null ? new KqueueEvents(4) : fake.events(4);

const change = { filter: "USER", ident: 1, flags: EV.ADD, fflags: NOTE.FFNOP, data: 0, udata: 0 };

function filled(scope: Scope): object {
  const events = room();
  const answered = { filter: "USER", ident: 1, flags: EV.ADD | EV.RECEIPT } as const;
  scope.keep(make()).control([answered], events, 0);
  return events;
}

/** The number of a queue that belongs to nobody yet. A copy would be none to libkqueue. */
const unowned: Arguments = (scope) => {
  const { raw } = make();
  scope.defer(() => void (libc.fcntl(raw, posix.F_GETFD, 0) === -1 || libc.close(raw)));
  return [raw];
};

const first: Arguments = () => [0];

/** What each export of mod.ts about kqueue is, and how it is called. */
export const KQUEUE_SUBJECTS: Readonly<Record<string, Subject>> = {
  EV: { make: () => EV, valid: {} },
  NOTE: { make: () => NOTE, valid: {} },
  KqueueEvents: {
    make: filled,
    refused: isReal ? [] : ["new"],
    valid: {
      new: () => [4, undefined],
      filter: first,
      ident: first,
      flags: first,
      fflags: first,
      data: first,
      udata: first,
      udataLow: first,
      udataHigh: first,
    },
  },
  Kqueue: {
    make,
    refused: isReal ? ["new"] : ["new", "static create", "static adopt", "static from"],
    valid: {
      new: () => [Symbol("owned"), 0, null, false],
      "static create": () => [{ inherit: false }],
      "static adopt": unowned,
      "static from": (scope) => [scope.keep(make()).share()],
      control: () => [[{ ...change }], room(), 1],
    },
  },
};
