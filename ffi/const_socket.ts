/**
 * The constants of sockets, and where the fields of their structs lie.
 *
 * Read from: glibc 2.36, musl 1.2.3 and Linux 6.1 for the two Linux columns; the headers of xnu-11417
 * (macOS 15.4) for Darwin; `sys/`, `netinet/` and `netinet6/` of FreeBSD 13.1 for FreeBSD. A name
 * with a kernel version is newer than the headers of some systems that fdloop runs on.
 *
 * The structs are Linux's alone: elsewhere an address begins with its length, and a message counts
 * in other widths.
 *
 * @module
 */

import {
  column,
  COLUMNS,
  type Constants,
  type Layouts,
  LINUX_COLUMNS,
  pick,
  pickLayouts,
} from "./columns.ts";
import { arch, os } from "./platform.ts";

/** Every column. Code uses {@link socket}; the table is for the test that proves it. */
export const SOCKET_TABLE = {
  // shutdown(2), <sys/socket.h>
  SHUT_RD: [0, 0, 0, 0],
  SHUT_WR: [1, 1, 1, 1],
  SHUT_RDWR: [2, 2, 2, 2],

  // getsockopt(2) and socket(7), <sys/socket.h>: SO_REUSEPORT since Linux 3.9
  SOL_SOCKET: [1, 1, 0xffff, 0xffff],
  SO_REUSEADDR: [2, 2, 4, 4],
  SO_TYPE: [3, 3, 0x1008, 0x1008],
  SO_ERROR: [4, 4, 0x1007, 0x1007],
  SO_SNDBUF: [7, 7, 0x1001, 0x1001],
  SO_RCVBUF: [8, 8, 0x1002, 0x1002],
  SO_KEEPALIVE: [9, 9, 8, 8],
  SO_LINGER: [13, 13, 0x80, 0x80],
  SO_REUSEPORT: [15, 15, 0x200, 0x200],
  SO_PEERCRED: [17, 17, null, null],
  SO_ATTACH_FILTER: [26, 26, null, null],
  SO_ACCEPTCONN: [30, 30, 2, 2],
  SO_PROTOCOL: [38, 38, null, 0x1016],
  SO_DOMAIN: [39, 39, null, 0x1019],

  // send(2) and recv(2), <sys/socket.h>
  MSG_OOB: [1, 1, 1, 1],
  MSG_PEEK: [2, 2, 2, 2],
  MSG_CTRUNC: [8, 8, 0x20, 0x20],
  MSG_TRUNC: [0x20, 0x20, 0x10, 0x10],
  MSG_NOSIGNAL: [0x4000, 0x4000, 0x80000, 0x20000],
  MSG_MORE: [0x8000, 0x8000, null, null],
  MSG_CMSG_CLOEXEC: [0x40000000, 0x40000000, null, 0x40000],

  // cmsg(3) and unix(7), <sys/socket.h>: SCM_PIDFD since Linux 6.5; 4 is another message elsewhere
  SCM_RIGHTS: [1, 1, 1, 1],
  SCM_PIDFD: [4, 4, null, null],

  // ip(7) and ipv6(7), <netinet/in.h>: IP_BIND_ADDRESS_NO_PORT since Linux 4.2
  IPPROTO_IP: [0, 0, 0, 0],
  IPPROTO_TCP: [6, 6, 6, 6],
  IPPROTO_IPV6: [41, 41, 41, 41],
  IP_BIND_ADDRESS_NO_PORT: [24, 24, null, null],
  IPV6_V6ONLY: [26, 26, 27, 27],

  // tcp(7), <netinet/tcp.h>: TCP_FASTOPEN since Linux 3.7
  TCP_NODELAY: [1, 1, 1, 1],
  TCP_KEEPIDLE: [4, 4, null, 0x100],
  TCP_KEEPINTVL: [5, 5, 0x101, 0x200],
  TCP_KEEPCNT: [6, 6, 0x102, 0x400],
  TCP_DEFER_ACCEPT: [9, 9, null, null],
  TCP_FASTOPEN: [23, 23, 0x105, 0x401],
} as const;

/** Every struct. Code uses {@link socketStructs}; the table is for the test that proves it. */
export const SOCKET_STRUCTS = {
  // The family stands first in each address, in the byte order of the machine; ports and IP
  // addresses are in the network's.
  sockaddr_in: {
    size: [16, 16],
    sin_family: ["u16", 0, 0],
    sin_port: ["u16", 2, 2],
    sin_addr: ["mem", 4, 4],
  },
  sockaddr_in6: {
    size: [28, 28],
    sin6_family: ["u16", 0, 0],
    sin6_port: ["u16", 2, 2],
    sin6_flowinfo: ["u32", 4, 4],
    sin6_addr: ["mem", 8, 8],
    sin6_scope_id: ["u32", 24, 24],
  },
  sockaddr_un: {
    size: [110, 110],
    sun_family: ["u16", 0, 0],
    sun_path: ["mem", 2, 2],
  },
  linger: {
    size: [8, 8],
    l_onoff: ["i32", 0, 0],
    l_linger: ["i32", 4, 4],
  },
  // What SO_PEERCRED fills.
  ucred: {
    size: [12, 12],
    pid: ["i32", 0, 0],
    uid: ["u32", 4, 4],
    gid: ["u32", 8, 8],
  },
  // Three lengths are 64 bits for the kernel, and 32 with padding in musl: the low half serves both.
  msghdr: {
    size: [56, 56],
    msg_name: ["ptr", 0, 0],
    msg_namelen: ["u32", 8, 8],
    msg_iov: ["ptr", 16, 16],
    msg_iovlen: ["u32", 24, 24],
    msg_control: ["ptr", 32, 32],
    msg_controllen: ["u32", 40, 40],
    msg_flags: ["i32", 48, 48],
  },
  cmsghdr: {
    size: [16, 16],
    cmsg_len: ["u32", 0, 0],
    cmsg_level: ["i32", 8, 8],
    cmsg_type: ["i32", 12, 12],
  },
  // A filter for SO_ATTACH_FILTER, and one instruction of it.
  sock_fprog: {
    size: [16, 16],
    len: ["u16", 0, 0],
    filter: ["ptr", 8, 8],
  },
  sock_filter: {
    size: [8, 8],
    code: ["u16", 0, 0],
    jt: ["u8", 2, 2],
    jf: ["u8", 3, 3],
    k: ["u32", 4, 4],
  },
} as const;

const here = column(os, arch);

/** The constants of this machine: `socket.SO_ERROR`. */
export const socket: Constants<typeof SOCKET_TABLE> = pick(SOCKET_TABLE, COLUMNS, here);

/** The structs of this machine: `socketStructs.sockaddr_in.sin_port`. */
export const socketStructs: Layouts<typeof SOCKET_STRUCTS> = pickLayouts(
  SOCKET_STRUCTS,
  LINUX_COLUMNS,
  here,
);
