/**
 * The words of shared memory between an attached loop and the thread that waits for it.
 *
 * The loop counts its turns in GO, and the waiter answers each with the same number in REPORTED once
 * the poller has something: so each of the two acts only when it is its turn, and no wake is lost.
 *
 * @module
 */

/** How many turns the loop has let the waiter begin. */
export const GO = 0;
/** The last turn in which the waiter found something. */
export const REPORTED = 1;
/** Not 0 when the waiter is to end. */
export const STOPPED = 2;
/** 1 while the waiter may be in the kernel, or is about to find out that it is to end. */
export const INSIDE = 3;
/** How many words there are. */
export const WORDS = 4;
