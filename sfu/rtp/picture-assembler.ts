/** What the tap needs of a depacketiser, whatever the codec. */

/** Puts the payloads of one picture together; fed in sequence order, taken at the picture's end. */
export interface PictureAssembler {
	push(payload: Uint8Array): void;
	markLoss(): void;
	/** H.264: the NAL units. VP8: one entry, the frame. Undefined when damaged or empty. */
	take(): Uint8Array[] | undefined;
}
