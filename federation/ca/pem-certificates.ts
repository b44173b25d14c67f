import { X509Certificate } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';

/** Of one file. */
export const MAX_PEM_LENGTH = 128 * 1024;
export const MAX_CERTIFICATES = 16;

const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/** The certificates of a PEM file (RFC 7468) in their order, each once. What is between them is explanatory text; a block that is cut off is not. */
export function parsePemCertificates(text: string): Result<readonly X509Certificate[]> {
  if (text.length > MAX_PEM_LENGTH) return err(`longer than ${MAX_PEM_LENGTH} characters`);
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.length !== text.split('-----BEGIN ').length - 1) return err('a block that is no whole certificate');
  if (blocks.length > MAX_CERTIFICATES) return err(`more than ${MAX_CERTIFICATES} certificates`);
  const found = new Map<string, X509Certificate>();
  for (const [, base64 = ''] of blocks) {
    try {
      const certificate = new X509Certificate(Buffer.from(base64, 'base64'));
      found.set(certificate.fingerprint256, certificate);
    } catch {
      // OpenSSL says only where its parser stopped.
      return err('a block that is no certificate');
    }
  }
  return ok([...found.values()]);
}

/** Each with the line end that others join them by. */
export function pemOf(certificate: X509Certificate): string {
  return certificate.toString().replace(/\n*$/, '\n');
}
