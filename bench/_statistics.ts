/**
 * Numbers that a busy machine does not move: medians, and the spread beside them.
 *
 * @module
 */

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Value by value, what one list is over the other. */
export function ratios(values: readonly number[], over: readonly number[]): number[] {
  return values.map((value, index) => value / over[index]!);
}

/** Value by value, what one list is more than the other. */
export function differences(values: readonly number[], less: readonly number[]): number[] {
  return values.map((value, index) => value - less[index]!);
}

/** "1.03 (0.98–1.21)": the median, the least and the most. */
export function spread(values: readonly number[]): string {
  const shown = (value: number): string => value.toFixed(2);
  return `${shown(median(values))} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`;
}
