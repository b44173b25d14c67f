/** Elements of BPF maps by the map's descriptor, without what loading of programs takes: for data threads too. */
import koffi from 'koffi';
import { checkLibbpf, errnoOf } from './errno.ts';

const library = koffi.load('libbpf.so.1');
const callUpdate = library.func('int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)');
const callLookup = library.func('int bpf_map_lookup_elem(int fd, const void *key, _Out_ void *value)');
const callTake = library.func('int bpf_map_lookup_and_delete_elem(int fd, const void *key, _Out_ void *value)');
const callDelete = library.func('int bpf_map_delete_elem(int fd, const void *key)');
const callNextKey = library.func('int bpf_map_get_next_key(int fd, const void *key, _Out_ void *next)');

const BPF_NOEXIST = 1n;
const ENOENT = errnoOf('ENOENT');
const EEXIST = errnoOf('EEXIST');

/** A map by its descriptor, which somebody else holds open. Keys and values are the bytes that the C structs have. */
export class BpfMap {
  readonly fd: number;
  readonly #name: string;
  readonly #valueBytes: number;

  constructor(fd: number, name: string, valueBytes: number) {
    this.fd = fd;
    this.#name = name;
    this.#valueBytes = valueBytes;
  }

  /** @throws SystemCallError */
  set(key: Buffer, value: Buffer): void {
    checkLibbpf(`update of map ${this.#name}`, callUpdate(this.fd, key, value, 0n) as number);
  }

  /** Returns false where the key is there already. @throws SystemCallError */
  add(key: Buffer, value: Buffer): boolean {
    const result = callUpdate(this.fd, key, value, BPF_NOEXIST) as number;
    if (result === -EEXIST) return false;
    checkLibbpf(`update of map ${this.#name}`, result);
    return true;
  }

  /** @throws SystemCallError */
  get(key: Buffer): Buffer | undefined {
    return this.#read('lookup', callLookup, key);
  }

  /** Gets and deletes in one step; for hashes (Linux 5.14). @throws SystemCallError */
  take(key: Buffer): Buffer | undefined {
    return this.#read('lookup and delete', callTake, key);
  }

  #read(what: string, call: typeof callLookup, key: Buffer): Buffer | undefined {
    const value = Buffer.alloc(this.#valueBytes);
    const result = call(this.fd, key, value) as number;
    if (result === -ENOENT) return undefined;
    checkLibbpf(`${what} in map ${this.#name}`, result);
    return value;
  }

  /** Returns whether the key was there. @throws SystemCallError */
  delete(key: Buffer): boolean {
    const result = callDelete(this.fd, key) as number;
    if (result === -ENOENT) return false;
    checkLibbpf(`delete in map ${this.#name}`, result);
    return true;
  }

  /** All keys at about one time: keys that come and go meanwhile may be missed. */
  keys(keyBytes: number): Buffer[] {
    const keys: Buffer[] = [];
    let previous: Buffer | null = null;
    for (;;) {
      const next: Buffer = Buffer.alloc(keyBytes);
      if ((callNextKey(this.fd, previous, next) as number) < 0) return keys;
      keys.push(next);
      previous = next;
    }
  }
}
