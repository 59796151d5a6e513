import { assertEquals, assertThrows } from "@std/assert";
import { MemFD } from "../handles/mem_fd.ts";
import { ShortFileError } from "../loop/conn_errors.ts";
import { FileJob } from "../loop/file_job.ts";
import { pattern } from "./conn_fixture.ts";
import { test } from "./support.ts";

test("C29 a job: over at once where there is nothing to send, and its headers are a view or a copy", () => {
  using file = MemFD.create("job");
  file.write(pattern(10));
  assertEquals(new FileJob(file, { offset: 10 }, "job").over, true);
  assertEquals(new FileJob(file, { offset: 9 }, "job").over, false);
  const headers = pattern(5);
  const job = new FileJob(file, { offset: 10, headers: new DataView(headers.buffer, 1, 3) }, "job");
  assertEquals([job.headerBytes, job.over, job.begun], [3, false, false]);
  job.keepHeaders();
  assertEquals([job.headerBytes, job.over], [3, false]);
});

test("C29 a job that was given up has let go of its file", () => {
  using file = MemFD.create("job");
  file.write(pattern(10));
  assertThrows(() => new FileJob(file, { length: 11 }, "job"), ShortFileError);
  const job = new FileJob(file, {}, "job");
  job.promise.catch(() => {});
  let told = 0;
  job.failed = () => void told++;
  job.start();
  job.reject(new Error("given up"));
  file.close();
  assertEquals(told, 0);
  const other = MemFD.create("job");
  const waiting = new FileJob(other, {}, "job");
  waiting.failed = () => void told++;
  waiting.start();
  other.share(); // a job is no epoll set that the kernel knows
  other.close();
  assertEquals(told, 1);
});
