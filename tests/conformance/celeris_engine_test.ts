import { assertEquals, assertRejects } from "@std/assert";
import { Socket } from "../../handles/socket.ts";
import { Engine } from "../../loop/engine.ts";
import { EngineClosedError } from "../../loop/engine_errors.ts";
import { bench, handler } from "../engine_fixture.ts";
import { test } from "../support.ts";

test("celeris AdoptConn(-1), no loops: an error, and the descriptor is its caller's", async () => {
  using listener = Socket.listen("127.0.0.1:0");
  const never = Engine.create({ handler, workers: 1 });
  await assertRejects(() => never.adoptConn(-1), EngineClosedError, "listen()");
  await assertRejects(() => never.adoptConn(listener), EngineClosedError, "listen()");
  await using running = await bench({ workers: 1 });
  await assertRejects(() => running.engine.adoptConn(-1), RangeError);
  await running.engine.shutdown();
  await assertRejects(() => running.engine.adoptConn(listener.raw), EngineClosedError, "shut down");
  assertEquals(listener.valid, true);
});
