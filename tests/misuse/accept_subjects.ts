/**
 * The part of the table of {@link SUBJECTS} that accepts connections.
 *
 * @module
 */

import { OWNED } from "../../handles/descriptor.ts";
import { Socket } from "../../handles/socket.ts";
import type { AcceptHandlers } from "../../loop/acceptor.ts";
import { Loop } from "../../loop/loop.ts";
import { PortGroup } from "../../loop/port_group.ts";
import type { Scope } from "./scope.ts";
import type { Arguments, Subject } from "./subjects.ts";

const ANY_PORT = "127.0.0.1:0";

const handlers = (): AcceptHandlers => ({ onAccept: (socket) => socket.close(), onError() {} });

function listener(scope: Scope): Socket {
  return scope.keep(Socket.listen(ANY_PORT));
}

/** Arguments of `Loop.accept`. */
export const accepting: Arguments = (
  scope,
) => [listener(scope), handlers(), { maxPerTurn: 1, overload: "wait" }];

/** A group of one listener that is closed, so that it can be opened again. */
function makeGroup(_scope: Scope): object {
  const holder = Socket.bind(ANY_PORT);
  const closed = Socket.listen(ANY_PORT);
  const address = closed.localAddress;
  closed.close();
  return Reflect.construct(PortGroup, [OWNED, holder, address, {}, [closed]]);
}

/** What exports that accept connections are given. */
export const ACCEPT_SUBJECTS: Readonly<Record<string, Subject>> = {
  Acceptor: {
    make: (scope) => scope.keep(Loop.create()).accept(listener(scope), handlers()),
    refused: ["new"],
    blunt: ["new"],
    valid: { new: () => [{}, {}, handlers(), {}] },
  },
  bindPort: {
    valid: {
      bindPort: () => [
        ANY_PORT,
        1,
        { backlog: 1, noDelay: true, inherit: false, signal: AbortSignal.timeout(1000) },
      ],
    },
  },
  PortGroup: {
    make: makeGroup,
    refused: ["new"],
    blunt: ["new"],
    valid: {
      new: () => [Symbol("owned"), {}, {}, {}, []],
      reopen: () => [0],
    },
  },
};
