/** How many connections the operating system may keep for a port while the server is busy. */

/**
 * Node's default of 511 is full within one busy moment under a flood. All connection attempts are lost then, and
 * clients retry after 1, 3 and 7 s. Linux allows net.core.somaxconn, which is 4096 since 5.4.
 */
export const LISTEN_BACKLOG = 4096;
