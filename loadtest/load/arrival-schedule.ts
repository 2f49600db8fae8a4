/** When each viewer arrives: evenly over the ramp, by the wall clock and never by when the one before was done. */

/** Arrival times in milliseconds from the start, ascending. With a ramp of 0 all arrive at once. */
export function arrivalTimesMs(count: number, rampMs: number): number[] {
	return Array.from({ length: count }, (_, index) => (index * rampMs) / count);
}

/** Deals viewers out to processes in turn, so that each process ramps as the whole does. */
export function dealOut<Item>(items: readonly Item[], processCount: number): Item[][] {
	const hands = Array.from({ length: Math.min(processCount, Math.max(1, items.length)) }, (): Item[] => []);
	items.forEach((item, index) => hands[index % hands.length]!.push(item));
	return hands;
}
