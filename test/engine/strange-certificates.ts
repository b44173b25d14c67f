/** Certificates that nobody should have, made by openssl for tests. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PeerCertificate } from './node-peers.ts';

const DAY_MS = 86_400_000;
const CONFIGURATION = `
[ca]
default_ca = own
[own]
dir = .
database = index
serial = serial
new_certs_dir = .
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = optional
organizationName = optional
`;

export interface Strangeness {
  /** As in openssl's configuration; undefined: none. */
  readonly names?: string | undefined;
  readonly commonName?: string;
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  /** Default: both. */
  readonly usage?: string;
  readonly isAuthority?: boolean;
}

const HOUR_MS = 3_600_000;
/** GeneralizedTime of a day from now, an hour early so that it holds at once. */
const time = (days: number): string => `${new Date(Date.now() + days * DAY_MS - HOUR_MS).toISOString().replace(/[-:T]|\.\d+/g, '')}`;

/** A certificate authority that certifies anything. */
export class StrangeAuthority implements Disposable {
  readonly trustDomain: string;
  readonly rootPem: string;
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'landbridge-strange-'));

  constructor(trustDomain: string) {
    this.trustDomain = trustDomain;
    this.#openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', `/CN=${trustDomain}`, '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign');
    for (const [file, text] of [['index', ''], ['serial', '1000'], ['own.cnf', CONFIGURATION]] as const) writeFileSync(this.#file(file), text);
    this.rootPem = this.#read('ca.crt');
  }

  certify({ names, commonName = 'test', from = 0, to = 1, usage = 'serverAuth,clientAuth', isAuthority = false }: Strangeness): PeerCertificate {
    this.#request(commonName);
    this.#extensions(names, usage, isAuthority);
    this.#openssl('ca', '-config', 'own.cnf', '-batch', '-notext', '-in', 'leaf.csr', '-cert', 'ca.crt', '-keyfile', 'ca.key', '-out', 'leaf.crt', '-startdate', time(from), '-enddate', time(to), '-extfile', 'leaf.ext');
    return { keyPem: this.#read('leaf.key'), chainPem: this.#read('leaf.crt') };
  }

  /** Vouched for by nobody but itself. */
  selfSigned(names: string): PeerCertificate {
    this.#request('test');
    this.#extensions(names, 'serverAuth,clientAuth', false);
    this.#openssl('x509', '-req', '-in', 'leaf.csr', '-signkey', 'leaf.key', '-out', 'leaf.crt', '-days', '1', '-extfile', 'leaf.ext');
    return { keyPem: this.#read('leaf.key'), chainPem: this.#read('leaf.crt') };
  }

  #request(commonName: string): void {
    this.#openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', `/CN=${commonName}`);
  }

  #extensions(names: string | undefined, usage: string, isAuthority: boolean): void {
    writeFileSync(this.#file('leaf.ext'), `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}\nextendedKeyUsage=${usage}\n${names === undefined ? '' : `subjectAltName=${names}\n`}`);
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: 'pipe' });
  }

  #file(name: string): string {
    return path.join(this.#directory, name);
  }

  #read(file: string): string {
    return readFileSync(this.#file(file), 'utf8');
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** A subjectAltName with one URI of any bytes, which openssl's own notation can not say. */
export function rawUri(text: string): string {
  const uri = Buffer.from(text, 'latin1');
  const name = Buffer.concat([Buffer.from([0x86, uri.length]), uri]);
  const sequence = Buffer.concat([Buffer.from([0x30, name.length]), name]);
  return `critical,DER:${[...sequence].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
}
