import { X509Certificate } from 'node:crypto';
import { type SpiffeId, spiffeId } from '@landbridge/core/identity.ts';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Certificate } from './certificate-store.ts';

/** Those of authorities that live as long as their test file, which removes none of them by itself. */
const directories = new Set<string>();
process.once('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A certificate authority of one trust domain, for tests; made by openssl, so that no code of ours is tried with itself. */
export class TestAuthority implements Disposable {
  readonly trustDomain: string;
  readonly rootPem: string;
  readonly #directory: string;

  constructor(trustDomain: string) {
    this.trustDomain = trustDomain;
    this.#directory = mkdtempSync(path.join(tmpdir(), 'landbridge-identities-'));
    directories.add(this.#directory);
    this.#openssl(['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', `/CN=${trustDomain}`, '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign']);
    this.rootPem = this.#read('ca.crt');
  }

  get root(): X509Certificate {
    return new X509Certificate(this.rootPem);
  }

  /** The identity of a service account in namespace `test`. */
  identity(serviceAccount: string): SpiffeId {
    const id = spiffeId({ trustDomain: this.trustDomain, namespace: 'test', serviceAccount });
    if (!id.ok) throw new Error(id.error);
    return id.value;
  }

  /** A certificate with any subject alternative names, as of openssl's configuration (`URI:spiffe://…`). */
  certify(names: string, options: { readonly days?: number; readonly isAuthority?: boolean } = {}): { readonly keyPem: string; readonly chainPem: string } {
    this.#openssl(['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/O=test']);
    writeFileSync(path.join(this.#directory, 'leaf.ext'), `basicConstraints=critical,CA:${options.isAuthority === true ? 'TRUE' : 'FALSE'}\nextendedKeyUsage=serverAuth,clientAuth\n${names === '' ? '' : `subjectAltName=critical,${names}\n`}`);
    this.#openssl(['x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'leaf.crt', '-days', String(options.days ?? 1), '-extfile', 'leaf.ext']);
    return { keyPem: this.#read('leaf.key'), chainPem: this.#read('leaf.crt') };
  }

  /** A certificate for the key of a request, for the names of the caller's choice. */
  sign(requestPem: string, names: string): string {
    writeFileSync(path.join(this.#directory, 'asked.csr'), requestPem);
    writeFileSync(path.join(this.#directory, 'asked.ext'), `basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=critical,${names}\n`);
    this.#openssl(['x509', '-req', '-in', 'asked.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'asked.crt', '-days', '1', '-extfile', 'asked.ext']);
    return this.#read('asked.crt');
  }

  certificate(serviceAccount: string): Certificate {
    const identity = this.identity(serviceAccount);
    const { keyPem, chainPem } = this.certify(`URI:${identity}`);
    return { identity, keyPem, chainPem, rootsPem: this.rootPem, notBeforeMs: Date.parse(new X509Certificate(chainPem).validFrom), notAfterMs: Date.parse(new X509Certificate(chainPem).validTo) };
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: 'pipe' });
  }

  #read(file: string): string {
    return readFileSync(path.join(this.#directory, file), 'utf8');
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
    directories.delete(this.#directory);
  }
}

