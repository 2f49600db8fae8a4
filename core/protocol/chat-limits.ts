/** Limits of chat that server and pages share. */

/** Paused and banned people that a channel's moderators are told of, newest first. */
export const MAX_LISTED_RESTRICTIONS = 200;
