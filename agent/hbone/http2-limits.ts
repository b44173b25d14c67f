/** Every bound of an HTTP/2 connection; docs/limits.md lists them. */

/**
 * What a peer may send on a stream before the application has taken any of it. It grows while the application keeps up,
 * as far as the thread's budget goes, and bounds what a slow reader holds in memory.
 */
export const FIRST_STREAM_WINDOW = 256 * 1024;
export const MAX_STREAM_WINDOW = 4 * 1024 * 1024;
/** What all grown windows of one thread may go beyond the first ones together. */
export const GROWN_WINDOWS_BUDGET = 64 * 1024 * 1024;
/** As much of one connection: applications may stop to read just when their windows have grown, and less than {@link HELD_PER_CONNECTION} leaves room for the others. */
export const GROWN_WINDOWS_PER_CONNECTION = 8 * 1024 * 1024;
/** Of all streams of a connection: given back on arrival, so that one slow reader does not hold up the others. */
export const CONNECTION_WINDOW = 16 * 1024 * 1024;
/** Of one connection that applications have not taken; with more the connection window is not given back. */
export const HELD_PER_CONNECTION = 16 * 1024 * 1024;
/** Of all connections of a thread. From the first on, windows shrink to the least as they are given back; at the second, streams whose application is behind are reset. */
export const HELD_PER_THREAD = { much: 64 * 1024 * 1024, most: 256 * 1024 * 1024 } as const;
export const LEAST_STREAM_WINDOW = 64 * 1024;
/** What we take in one frame: as ztunnel announces. */
export const MAX_FRAME_BYTES = 1024 * 1024;
/** Streams that a peer may have open on one connection. */
export const MAX_STREAMS = 1000;
/** A header list, counted as RFC 9113, section 6.5.2, and the bytes of its frames. */
export const MAX_HEADER_LIST_BYTES = 64 * 1024;
export const MAX_HEADER_FIELDS = 128;
/** Frames of one header block (CVE-2024-27316 and its kin). */
export const MAX_CONTINUATIONS = 16;
/** Any frame but DATA and HEADERS that is collected. */
export const MAX_CONTROL_BYTES = 16 * 1024;
/** Frames of one connection that are looked at before others get their turn: small ones cost as much as large ones. */
export const FRAMES_PER_TURN = 512;
/** What a request for a tunnel costs of them, as it begins a dial. */
export const FRAMES_PER_REQUEST = 32;
/** Eagerly sent before the answer is known, and kept to be sent again to another endpoint. */
export const EAGER_BYTES = 8 * 1024;

/**
 * Frames that cost the peer little and us something, as token buckets. Streams that are reset get a bucket of their
 * own: an application that resets its connections is no attack, so it is generous (CVE-2023-44487).
 */
export const CONTROL_FRAMES = { burst: 2000, perSecond: 500 } as const;
export const RESETS = { burst: 20_000, perSecond: 10_000 } as const;
/** Of them, those of streams that were not answered yet: what was begun for them was in vain. */
export const UNANSWERED_RESETS = { burst: 5000, perSecond: 1000 } as const;
/** WINDOW_UPDATE comes with data of ours that was taken. */
export const WINDOW_UPDATES = { burst: 20_000, perSecond: 20_000 } as const;
