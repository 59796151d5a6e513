// libkqueue vnode.c: what happens to files.

import fs from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { EV, NOTE } from "../../handles/kqueue_words.ts";
import { pipe } from "../../handles/pipe.ts";
import { withKqueue } from "../kqueue_fixture.ts";
import { emulated, TestQueue } from "../kqueue_queue.ts";
import { tempDir } from "../support.ts";

const real = withKqueue("libkqueue: files");

const { DELETE, WRITE, EXTEND, ATTRIB, LINK, RENAME } = NOTE;
const ALL = DELETE | WRITE | EXTEND | ATTRIB | LINK | RENAME;

interface Watched {
  readonly queue: TestQueue;
  readonly dir: string;
  readonly path: string;
  readonly fd: number;
  /** What was reported since it was last asked, all in one. */
  seen(): number;
}

/** Watches a file of 12 bytes for something. */
function watching(
  name: string,
  fflags: number,
  body: (watched: Watched) => void,
  flags = EV.CLEAR,
): void {
  real(`libkqueue: vnode ${name}`, () => {
    using folder = tempDir();
    using queue = new TestQueue();
    const path = `${folder.path}/file`;
    fs.writeFileSync(path, "twelve bytes");
    const fd = fs.openSync(path, "r");
    try {
      queue.add("VNODE", fd, flags, { fflags, udata: 9n });
      assertEquals(queue.now(), []);
      const seen = (): number => {
        let all = 0;
        let found = queue.next();
        do {
          for (const event of found) {
            assertEquals([event.filter, event.ident, event.udata], ["VNODE", fd, 9n]);
            all |= event.fflags;
          }
          found = queue.now();
        } while (found.length > 0);
        return all;
      };
      body({ queue, dir: folder.path, path, fd, seen });
    } finally {
      fs.closeSync(fd);
    }
  });
}

watching("note_write, note_extend: WRITE | EXTEND on append", WRITE | EXTEND, ({ path, seen }) => {
  fs.appendFileSync(path, "more");
  assertEquals(seen(), WRITE | EXTEND);
});

watching(
  "note_write_inplace: WRITE alone when the size stays",
  WRITE | EXTEND,
  ({ path, seen, queue }) => {
    const file = fs.openSync(path, "r+");
    fs.writeSync(file, "x", 0);
    fs.closeSync(file);
    assertEquals(seen(), WRITE);
    assertEquals(queue.now(), []);
  },
);

watching("note_extend_ftruncate: longer by ftruncate(2)", EXTEND | WRITE, ({ path, seen }) => {
  fs.truncateSync(path, 4096);
  // FreeBSD and macOS do not say EXTEND of it.
  if (emulated) assertEquals(seen() & EXTEND, EXTEND);
});

watching("note_attrib, note_attrib_chmod: utimes and chmod", ATTRIB, ({ path, seen }) => {
  fs.utimesSync(path, 1, 2);
  assertEquals(seen(), ATTRIB);
  fs.chmodSync(path, 0o600);
  assertEquals(seen(), ATTRIB);
});

watching("note_link: a link is made, and is removed", LINK, ({ path, dir, seen }) => {
  fs.linkSync(path, `${dir}/second`);
  assertEquals(seen(), LINK);
  fs.unlinkSync(`${dir}/second`);
  assertEquals(seen(), LINK);
});

watching("note_rename", RENAME | DELETE, ({ path, seen }) => {
  fs.renameSync(path, `${path}2`);
  assertEquals(seen(), RENAME);
});

watching("note_delete: by unlink", DELETE, ({ path, seen }) => {
  fs.unlinkSync(path);
  assertEquals(seen(), DELETE);
});

watching("note_delete_rename_over: by a rename over it", DELETE, ({ path, dir, seen }) => {
  fs.writeFileSync(`${dir}/other`, "");
  fs.renameSync(`${dir}/other`, path);
  assertEquals(seen(), DELETE);
});

watching("only what was asked for is reported", RENAME, ({ path, queue }) => {
  fs.appendFileSync(path, "more");
  fs.chmodSync(path, 0o600);
  assertEquals(queue.now(), []);
});

watching(
  "fflag_accumulation: what happens before a look is told together",
  ALL,
  ({ path, seen }) => {
    fs.chmodSync(path, 0o600);
    fs.appendFileSync(path, "more");
    assertEquals(seen() & (ATTRIB | WRITE | EXTEND), ATTRIB | WRITE | EXTEND);
  },
);

watching("ev_clear: told once", WRITE, ({ path, queue, seen }) => {
  fs.appendFileSync(path, "more");
  // The emulation says EXTEND of it, too, which nobody asked for.
  assertEquals(seen(), emulated ? WRITE | EXTEND : WRITE);
  assertEquals(queue.now(), []);
});

watching("dispatch: silent until ENABLE", WRITE, ({ path, queue, fd }) => {
  fs.appendFileSync(path, "more");
  assertEquals(queue.one().fflags & WRITE, WRITE);
  fs.appendFileSync(path, "more");
  assertEquals(queue.now(), []);
  assertEquals(queue.change("VNODE", fd, EV.ENABLE, { fflags: WRITE, udata: 9n }), "");
  fs.appendFileSync(path, "more");
  assertEquals(queue.one().fflags & WRITE, WRITE);
}, EV.DISPATCH | EV.CLEAR);

watching("oneshot: told once, and out of the queue", WRITE, ({ path, queue, fd }) => {
  fs.appendFileSync(path, "more");
  // The emulation's one event can be another of the file's, which says nothing.
  const { fflags } = queue.one();
  assert(emulated || (fflags & WRITE) !== 0);
  fs.appendFileSync(path, "more");
  assertEquals(queue.now(), []);
  assertEquals(queue.change("VNODE", fd, EV.DELETE), "ENOENT");
}, EV.ONESHOT);

real("libkqueue: vnode note_write_directory, note_link_directory: a directory's children", () => {
  using dir = tempDir();
  using queue = new TestQueue();
  const fd = fs.openSync(dir.path, "r");
  queue.add("VNODE", fd, EV.CLEAR, { fflags: WRITE | LINK });
  fs.writeFileSync(`${dir.path}/child`, "");
  let all = 0;
  for (let found = queue.next(); found.length > 0; found = queue.now()) {
    for (const { fflags } of found) all |= fflags;
  }
  assertEquals(all, WRITE); // a file is no link of its directory
  fs.mkdirSync(`${dir.path}/folder`);
  all = 0;
  for (let found = queue.next(); found.length > 0; found = queue.now()) {
    for (const { fflags } of found) all |= fflags;
  }
  assert((all & WRITE) !== 0);
  assertEquals(queue.change("VNODE", fd, EV.DELETE), "");
  fs.closeSync(fd);
});

real("libkqueue: vnode non_file_rejected", () => {
  using queue = new TestQueue();
  using ends = pipe();
  const code = queue.change("VNODE", ends.reader, EV.ADD | EV.CLEAR, { fflags: WRITE });
  assertEquals(code, "EINVAL");
});
