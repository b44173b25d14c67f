/** Memory that a thread uses from one call to the next and that holds nothing in between: one set serves all its connections. */
import { nativeMemory } from '@landbridge/native/memory.ts';
import { MAX_CIPHERTEXT_BYTES, RECORD_HEADER_BYTES } from '@landbridge/wire/tls13.ts';
import { LARGE_SLAB } from './slab.ts';
import { TlsRecords } from './tls-records.ts';

/** Read from a socket at once: larger reads were no faster, smaller ones cost calls. */
export const READ_BYTES = 256 * 1024;

const ROOM = READ_BYTES + RECORD_HEADER_BYTES + MAX_CIPHERTEXT_BYTES;
/** As it came from a socket, behind the partial record of the time before. */
export const sealedIn = nativeMemory(ROOM);
export const plainIn = nativeMemory(ROOM);
export const sealedOut = nativeMemory(TlsRecords.sealedSize(LARGE_SLAB));

/** The same for a TLS session inside a stream of another one, whose own bytes are in `plainIn` meanwhile. */
const INNER_ROOM = 64 * 1024 + RECORD_HEADER_BYTES + MAX_CIPHERTEXT_BYTES;
export const innerSealedIn = nativeMemory(INNER_ROOM);
export const innerPlainIn = nativeMemory(INNER_ROOM);
