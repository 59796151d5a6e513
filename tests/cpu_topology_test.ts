import fs from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { getAffinity, setAffinity } from "../handles/affinity.ts";
import {
  type CPUTopology,
  cpuTopology,
  spreadCPUs,
  spreadOver,
  topologyAt,
} from "../handles/cpu_topology.ts";
import { tempDir, test } from "./support.ts";

const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step);

/** Reads the topology of a machine that is described by files, as /sys/devices/system would. */
function machine(files: Readonly<Record<string, string>>, fallback: number[] = [0]): CPUTopology {
  using dir = tempDir();
  for (const [path, text] of Object.entries(files)) {
    fs.mkdirSync(`${dir.path}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    fs.writeFileSync(`${dir.path}/${path}`, `${text}\n`);
  }
  return topologyAt(dir.path, fallback);
}

/** Two nodes with two cores of two threads each, numbered as Intel's are. */
function twoNodes(): CPUTopology {
  return machine({
    "cpu/online": "0-7",
    "node/online": "0-1",
    "node/node0/cpulist": "0-1,4-5",
    "node/node1/cpulist": "2-3,6-7",
    ...Object.fromEntries(
      range(0, 8).map((cpu) => [
        `cpu/cpu${cpu}/topology/thread_siblings_list`,
        `${cpu % 4},${cpu % 4 + 4}`,
      ]),
    ),
  });
}

test("C27 cpuTopology: this machine's CPUs, each in one node and one core", () => {
  const { online, nodes } = cpuTopology();
  const ascending = (a: number, b: number): number => a - b;
  assertEquals(nodes.flatMap(({ cpus }) => cpus).sort(ascending), online);
  for (const { cpus, cores } of nodes) assertEquals(cores.flat().sort(ascending), cpus);
  for (const cpu of getAffinity()) assert(online.includes(cpu));
});

test("C27 topology: nodes, cores and their threads", () => {
  assertEquals(twoNodes(), {
    online: range(0, 8),
    nodes: [
      { id: 0, cpus: [0, 1, 4, 5], cores: [[0, 4], [1, 5]] },
      { id: 1, cpus: [2, 3, 6, 7], cores: [[2, 6], [3, 7]] },
    ],
  });
});

test("C27 topology: nodes without CPUs, with gaps, and lists of 4096 CPUs, longer than a page", () => {
  const odd = range(1, 4096, 2);
  const { online, nodes } = machine({
    "cpu/online": "0-4095",
    "node/online": "0,2,5",
    "node/node0/cpulist": range(0, 4096, 2).join(","),
    "node/node2/cpulist": "",
    "node/node5/cpulist": odd.join(","),
  });
  assertEquals(online.length, 4096);
  assertEquals(nodes.map(({ id, cpus }) => [id, cpus.length]), [[0, 2048], [5, 2048]]);
  assertEquals(nodes[1]!.cpus, odd);
  assertEquals(nodes[1]!.cores.length, 2048);
});

test("C27 topology: what a container withholds becomes one node", () => {
  const one = (cpus: number[]): CPUTopology => ({
    online: cpus,
    nodes: [{ id: 0, cpus, cores: cpus.map((cpu) => [cpu]) }],
  });
  assertEquals(machine({}, [1, 3]), one([1, 3]));
  assertEquals(machine({ "cpu/online": "0-2" }), one([0, 1, 2]));
  assertEquals(machine({ "cpu/online": "0-2", "node/online": "0" }), one([0, 1, 2]));
  // A node that is shown in part is not believed.
  const partly = { "cpu/online": "0-2", "node/online": "0", "node/node0/cpulist": "0-1" };
  assertEquals(machine(partly), one([0, 1, 2]));
  const more = { "cpu/online": "0-1", "node/online": "0", "node/node0/cpulist": "0-7" };
  assertEquals(machine(more), one([0, 1]));
});

test("C27 spread: nodes in turn, cores before their second threads, all once before any twice", () => {
  const all = range(0, 8);
  assertEquals(spreadOver(twoNodes(), all, 8), [0, 2, 1, 3, 4, 6, 5, 7]);
  assertEquals(spreadOver(twoNodes(), all, 20).slice(8, 12), [0, 2, 1, 3]);
  assertEquals(spreadOver(twoNodes(), all, 0), []);
});

test("C27 spread: only what is allowed, nodes in proportion to what is left of them", () => {
  assertEquals(spreadOver(twoNodes(), [5], 3), [5, 5, 5]);
  assertEquals(spreadOver(twoNodes(), [0, 1, 4, 5], 4), [0, 1, 4, 5]);
  assertEquals(spreadOver(twoNodes(), [4, 6], 2), [4, 6]);
  const lopsided = spreadOver(twoNodes(), [0, 1, 4, 5, 7], 50);
  assertEquals(new Set(lopsided.slice(0, 5)), new Set([0, 1, 4, 5, 7]));
  assertEquals(lopsided.filter((cpu) => cpu === 7).length, 10);
  // A container may number its CPUs otherwise than the kernel.
  assertEquals(spreadOver(machine({ "cpu/online": "0-1" }), [6, 7], 3), [6, 7, 6]);
});

test("C27 spreadCPUs: the CPUs of this thread, evenly", () => {
  const all = getAffinity();
  assertEquals(new Set(spreadCPUs(all.length)), new Set(all));
  const chosen = spreadCPUs(all.length * 100);
  for (const cpu of all) assertEquals(chosen.filter((one) => one === cpu).length, 100);
  try {
    setAffinity([all.at(-1)!]);
    assertEquals(spreadCPUs(3), Array(3).fill(all.at(-1)));
  } finally {
    setAffinity(all);
  }
});

test("X03 spreadCPUs: odd counts", () => {
  assertEquals(spreadCPUs(0), []);
  assertEquals(spreadCPUs(65_536).length, 65_536);
  for (const bad of [-1, 0.5, NaN, Infinity, 65_537]) {
    assertThrows(() => spreadCPUs(bad), RangeError, "spreadCPUs");
  }
  for (const bad of [undefined, null, "2", 2n, {}]) {
    assertThrows(() => spreadCPUs(bad as never), TypeError, "spreadCPUs");
  }
});
