/** Finds boxes in bytes of ISO base media files (ISO/IEC 14496-12 §4.2). Never reads behind the end. */

/** Where the contents of a box are; `endByte` may lie behind the bytes that are there. */
export type FoundBox = { type: string; startByte: number; endByte: number };

/** Size and type of a box. */
const HEADER_BYTES = 8;

/** The boxes one after another, down to the first whose header is cut. */
export function* listBoxes(view: DataView, startByte = 0, endByte = view.byteLength): Generator<FoundBox, void> {
	for (let offset = startByte; offset + HEADER_BYTES <= Math.min(endByte, view.byteLength);) {
		const sizeBytes = view.getUint32(offset);
		const type = String.fromCharCode(...[4, 5, 6, 7].map((index) => view.getUint8(offset + index)));
		yield { type, startByte: offset + HEADER_BYTES, endByte: offset + sizeBytes };
		offset += Math.max(HEADER_BYTES, sizeBytes);
	}
}

/** The first box on the path. */
export function findBox(
	view: DataView,
	path: readonly string[],
	inside: { startByte: number; endByte: number } = { startByte: 0, endByte: view.byteLength },
): FoundBox | undefined {
	let found: { startByte: number; endByte: number } | undefined = inside;
	for (const type of path) {
		found = found && findType(view, type, found);
	}
	return found as FoundBox | undefined;
}

function findType(view: DataView, type: string, inside: { startByte: number; endByte: number }): FoundBox | undefined {
	for (const box of listBoxes(view, inside.startByte, inside.endByte)) {
		if (box.type === type) {
			return box;
		}
	}
	return undefined;
}

/** The same bytes, for reading numbers. */
export function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The result of `read`, or undefined when it reads behind the end: DataView and typed arrays throw RangeError then. */
export function undefinedBehindTheEnd<T>(read: () => T | undefined): T | undefined {
	try {
		return read();
	} catch (error) {
		if (!(error instanceof RangeError)) {
			throw error;
		}
		return undefined;
	}
}
