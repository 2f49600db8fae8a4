/** Joins a WHEP session to its viewer. */

/**
 * By this header of a WHEP request our player says which viewer of the signaling socket it is, so that they are counted
 * once.
 */
export const VIEWER_HEADER = 'x-spillway-viewer';
