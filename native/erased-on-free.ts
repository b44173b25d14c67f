import koffi from 'koffi';

/** mallopt(3). */
const M_PERTURB = -6;
const ANY_BYTE = 0xa5;
const NOTHING = 0;

const mallopt = koffi.load('libc.so.6').func('int mallopt(int parameter, int value)');

/**
 * Runs something that frees memory of C, whose content is overwritten with that: libraries free what they hold of
 * secrets as it is. Small blocks, of up to 1,032 bytes, may stay as they are (the C library's caches of threads).
 */
export function erasedOnFree(free: () => void): void {
  mallopt(M_PERTURB, ANY_BYTE);
  try {
    free();
  } finally {
    mallopt(M_PERTURB, NOTHING);
  }
}
