/** Why a viewer over WebRTC does not get the best picture. */

/**
 * `line`: their line does not carry it, as far as known. `screen`: a smaller one fills its place on their screen.
 * `choice`: they have chosen it. `seats`: the server has no room for more.
 */
export const PICTURE_LIMITS = ['line', 'screen', 'choice', 'seats'] as const;
export type PictureLimit = (typeof PICTURE_LIMITS)[number];
