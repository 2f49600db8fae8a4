/** How many connections the operating system may keep for a port while the server is busy. */

/**
 * Node's own 511 are full within one busy moment under a flood: then everybody's connection attempts are lost, and
 * clients come again after 1, 3 and 7 s. Linux takes as many as net.core.somaxconn, which is 4096 since 5.4.
 */
export const LISTEN_BACKLOG = 4096;
