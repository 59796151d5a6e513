/**
 * The signal handler of this library: machine code, because a signal arrives on whichever thread
 * the kernel likes, and on most of them no JavaScript can run.
 *
 * What it does, in the words of C:
 *
 * ```c
 * void handler(int sig, siginfo_t *info, ucontext_t *context) {
 *   if (info->si_uid == data.nonce) {       // an order
 *     context->uc_sigmask |= info->si_value;
 *     data.acks[info->si_pid] = 1;
 *     return;
 *   }
 *   if (!(data.bits >> (sig - 1) & 1)) return;
 *   if (getpid() != data.pid) return;       // a child that has not called exec yet
 *   if (write(data.fd, info, 128) >= 0) return;
 *   unsigned place = data.head;             // the pipe is full: into the ring
 *   do {
 *     if (place - data.tail >= 65536) return;
 *   } while (!compare_exchange(&data.head, &place, place + 1));
 *   copy(&data.ring[place % 65536], info);  // si_signo last: until then it is 0
 *   info->si_signo = 0;
 *   write(data.fd, info, 128);              // a marker, if the pipe was emptied meanwhile
 *   info->si_signo = sig;
 * }
 * ```
 *
 * Whoever reads much from the pipe, or meets a marker, looks into the ring. The marker is tried after
 * the ring was filled: either it is read, or the pipe was still full and much is read from it later.
 *
 * An order is a signal that only this library can send, since only it knows the nonce, to learn that
 * a thread has left every handler that it was in, and to change its mask: the kernel installs
 * `uc_sigmask` when the handler returns.
 *
 * Every instruction depends only on its own place and on the data 64 KiB above it (a page boundary
 * for any page size), errno is not touched, and all calls are raw: async-signal-safe. The registers
 * that C expects back are left alone, because a handler that replaces this one may call it.
 *
 * @module
 */

import type { Arch } from "./backend.ts";
import { structs } from "./structs.ts";

/** The disposition "default", which is no address, as sigaction(2) has it on every system. */
export const SIG_DFL = 0n;
/** The disposition "ignore". */
export const SIG_IGN = 1n;

/** One line of a stub: its bytes in memory order, and the GNU assembly that they come from. */
export type StubLine = readonly [bytes: string, assembly: string];

/** Where an order's siginfo_t, one of SI_QUEUE, has what it is about, in bytes. */
export const ORDER = {
  number: structs.siginfo_t.si_pid,
  nonce: structs.siginfo_t.si_uid,
  /** 64 bits: the signals to block. */
  block: structs.siginfo_t.si_value,
} as const;

/** How many records the ring holds. */
export const RING_RECORDS = 65536;

/** Where the data begins, in bytes above the code. */
export const DATA_OFFSET = 65536;

/** The data, in bytes from its beginning. */
export const DATA = {
  /** The signals that are written to the pipe, 64 bits: signal 1 is bit 0. */
  bits: 0,
  /** The process that the handler belongs to. */
  pid: 8,
  /** What an order must carry in si_uid: 2^31 or more, which no user's id is, and no overrun. */
  nonce: 12,
  /** The writing end of the pipe. */
  fd: 16,
  /** How many records were ever claimed in the ring, modulo 2^32. */
  head: 20,
  /** How many of them were taken out again. */
  tail: 24,
  /** A byte for each order that was carried out. */
  acks: 4096,
  /** The records that did not fit into the pipe. */
  ring: 65536,
} as const;

/** How many orders can be under way at once. */
export const ACKS: number = DATA.ring - DATA.acks;

/** All of it: the code, its data and the ring. */
export const STUB_BYTES: number = DATA_OFFSET + DATA.ring + RING_RECORDS * structs.siginfo_t.size;

/** System V: sig in edi, info in rsi, context in rdx. syscall clobbers rax, rcx and r11 only. */
const X64: readonly StubLine[] = [
  ["", "        .intel_syntax noprefix"],
  ["4c 8d 05 f9 ff 00 00", "start:  lea     r8, [rip + data]"],
  ["41 8b 40 0c", "        mov     eax, [r8 + 12]          # nonce"],
  ["39 46 14", "        cmp     [rsi + 20], eax         # si_uid"],
  ["75 18", "        jne     caught"],
  ["48 8b 46 18", "        mov     rax, [rsi + 24]         # si_value: bits to block"],
  ["48 09 82 28 01 00 00", "        or      [rdx + 296], rax        # uc_sigmask"],
  ["8b 46 10", "        mov     eax, [rsi + 16]         # si_pid: the order's number"],
  ["41 c6 84 00 00 10 00 00 01", "        mov     byte ptr [r8 + rax + 4096], 1 # acks"],
  ["c3", "        ret"],
  ["41 89 f9", "caught: mov     r9d, edi"],
  ["8d 4f ff", "        lea     ecx, [rdi - 1]"],
  ["49 0f a3 08", "        bt      qword ptr [r8], rcx     # bits"],
  ["73 7f", "        jnc     done"],
  ["b8 27 00 00 00", "        mov     eax, 39                 # getpid()"],
  ["0f 05", "        syscall"],
  ["41 3b 40 08", "        cmp     eax, [r8 + 8]           # pid"],
  ["75 72", "        jne     done"],
  ["41 8b 78 10", "        mov     edi, [r8 + 16]          # fd"],
  ["ba 80 00 00 00", "        mov     edx, 128"],
  ["b8 01 00 00 00", "        mov     eax, 1                  # write(fd, info, 128)"],
  ["0f 05", "        syscall"],
  ["48 85 c0", "        test    rax, rax"],
  ["79 5d", "        jns     done"],
  ["41 8b 40 14", "        mov     eax, [r8 + 20]          # head"],
  ["89 c1", "claim:  mov     ecx, eax"],
  ["41 2b 48 18", "        sub     ecx, [r8 + 24]          # tail"],
  ["81 f9 00 00 01 00", "        cmp     ecx, 65536"],
  ["73 4b", "        jae     done"],
  ["8d 48 01", "        lea     ecx, [rax + 1]"],
  ["f0 41 0f b1 48 14", "        lock cmpxchg [r8 + 20], ecx     # head"],
  ["75 e7", "        jne     claim"],
  ["0f b7 c0", "        movzx   eax, ax                 # modulo 65536"],
  ["c1 e0 07", "        shl     eax, 7"],
  ["4d 8d 94 00 00 00 01 00", "        lea     r10, [r8 + rax + 65536] # ring"],
  ["89 fa", "        mov     edx, edi"],
  ["49 8d 7a 04", "        lea     rdi, [r10 + 4]"],
  ["48 83 c6 04", "        add     rsi, 4"],
  ["b9 1f 00 00 00", "        mov     ecx, 31"],
  ["f3 a5", "        rep movsd"],
  ["45 89 0a", "        mov     [r10], r9d              # si_signo: now it is whole"],
  ["48 81 ee 80 00 00 00", "        sub     rsi, 128"],
  ["c7 06 00 00 00 00", "        mov     dword ptr [rsi], 0      # si_signo 0: a marker"],
  ["89 d7", "        mov     edi, edx"],
  ["ba 80 00 00 00", "        mov     edx, 128"],
  ["b8 01 00 00 00", "        mov     eax, 1                  # write(fd, marker, 128)"],
  ["0f 05", "        syscall"],
  ["44 89 0e", "        mov     [rsi], r9d              # a handler may have called this one"],
  ["c3", "done:   ret"],
  ["", "        .set    data, start + 65536"],
];

/** AAPCS64: sig in w0, info in x1, context in x2. svc clobbers x0 only. */
const ARM64: readonly StubLine[] = [
  ["09 00 08 10", "start:  adr     x9, data"],
  ["2a 14 40 b9", "        ldr     w10, [x1, #20]          // si_uid"],
  ["2b 0d 40 b9", "        ldr     w11, [x9, #12]          // nonce"],
  ["5f 01 0b 6b", "        cmp     w10, w11"],
  ["41 01 00 54", "        b.ne    caught"],
  ["2a 0c 40 f9", "        ldr     x10, [x1, #24]          // si_value: bits to block"],
  ["4b 14 40 f9", "        ldr     x11, [x2, #40]          // uc_sigmask"],
  ["6b 01 0a aa", "        orr     x11, x11, x10"],
  ["4b 14 00 f9", "        str     x11, [x2, #40]"],
  ["2a 10 40 b9", "        ldr     w10, [x1, #16]          // si_pid: the order's number"],
  ["2b 05 40 91", "        add     x11, x9, #4096          // acks"],
  ["2c 00 80 52", "        mov     w12, #1"],
  ["6c 69 2a 38", "        strb    w12, [x11, x10]"],
  ["c0 03 5f d6", "        ret"],
  ["ea 03 00 2a", "caught: mov     w10, w0"],
  ["0b 04 00 51", "        sub     w11, w0, #1"],
  ["2c 01 40 f9", "        ldr     x12, [x9]               // bits"],
  ["8c 25 cb 9a", "        lsr     x12, x12, x11"],
  ["8c 04 00 36", "        tbz     w12, #0, done"],
  ["88 15 80 d2", "        mov     x8, #172                // getpid()"],
  ["01 00 00 d4", "        svc     #0"],
  ["2b 09 40 b9", "        ldr     w11, [x9, #8]           // pid"],
  ["1f 00 0b 6b", "        cmp     w0, w11"],
  ["e1 03 00 54", "        b.ne    done"],
  ["2c 11 40 b9", "        ldr     w12, [x9, #16]          // fd"],
  ["e0 03 0c 2a", "        mov     w0, w12"],
  ["02 10 80 d2", "        mov     x2, #128"],
  ["08 08 80 d2", "        mov     x8, #64                 // write(fd, info, 128)"],
  ["01 00 00 d4", "        svc     #0"],
  ["20 03 f8 b6", "        tbz     x0, #63, done"],
  ["2d 51 00 91", "        add     x13, x9, #20            // head"],
  ["ae fd 5f 88", "claim:  ldaxr   w14, [x13]"],
  ["2f 19 40 b9", "        ldr     w15, [x9, #24]          // tail"],
  ["cf 01 0f 4b", "        sub     w15, w14, w15"],
  ["ff 41 40 71", "        cmp     w15, #65536"],
  ["62 02 00 54", "        b.hs    done"],
  ["cf 05 00 11", "        add     w15, w14, #1"],
  ["af fd 10 88", "        stlxr   w16, w15, [x13]"],
  ["30 ff ff 35", "        cbnz    w16, claim"],
  ["ce 3d 40 92", "        and     x14, x14, #65535        // modulo 65536"],
  ["2f 41 40 91", "        add     x15, x9, #65536         // ring"],
  ["ef 1d 0e 8b", "        add     x15, x15, x14, lsl #7"],
  ["90 00 80 d2", "        mov     x16, #4"],
  ["31 68 70 b8", "copy:   ldr     w17, [x1, x16]"],
  ["f1 69 30 b8", "        str     w17, [x15, x16]"],
  ["10 12 00 91", "        add     x16, x16, #4"],
  ["1f 02 02 f1", "        cmp     x16, #128"],
  ["81 ff ff 54", "        b.ne    copy"],
  ["ea fd 9f 88", "        stlr    w10, [x15]              // si_signo: now it is whole"],
  ["3f 00 00 b9", "        str     wzr, [x1]               // si_signo 0: a marker"],
  ["e0 03 0c 2a", "        mov     w0, w12"],
  ["08 08 80 d2", "        mov     x8, #64                 // write(fd, marker, 128)"],
  ["01 00 00 d4", "        svc     #0"],
  ["2a 00 00 b9", "        str     w10, [x1]               // a handler may have called this one"],
  ["c0 03 5f d6", "done:   ret"],
  ["", "        .set    data, start + 65536"],
];

/** The handler for each instruction set that has one. */
export const STUBS: Readonly<Partial<Record<Arch, readonly StubLine[]>>> = {
  x64: X64,
  arm64: ARM64,
};

/** The bytes of a stub. */
export function stubBytes(lines: readonly StubLine[]): Uint8Array<ArrayBuffer> {
  const hex = lines.map(([bytes]) => bytes).join(" ").split(" ").filter((byte) => byte !== "");
  const bytes = new Uint8Array(new ArrayBuffer(hex.length));
  hex.forEach((byte, index) => bytes[index] = parseInt(byte, 16));
  return bytes;
}
