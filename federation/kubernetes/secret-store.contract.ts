/** What every store of Secrets does; run against each kind of it by secret-store.test.ts. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { ExecutionContext, SerialFn, TestFn } from 'ava';
import type { SecretStore } from './secret-store.ts';

export interface SecretStoreUnderTest {
  readonly store: SecretStore;
  /** Somebody else removes a Secret. */
  remove(name: string): Promise<void>;
  configMap(name: string): Promise<Readonly<Record<string, string>> | undefined>;
}

export async function throwsRetryable(t: ExecutionContext, promise: Promise<unknown>, code: string): Promise<LandbridgeError | undefined> {
  const error = await t.throwsAsync(promise, { instanceOf: LandbridgeError });
  t.is(error?.code, code);
  t.true(error?.retryable);
  return error;
}

export function secretStoreContract(test: TestFn | SerialFn, name: string, open: () => Promise<SecretStoreUnderTest>): void {
  test(`${name}: a Secret that was written is read, with all characters`, async (t) => {
    const { store } = await open();
    t.is(await store.read('a'), undefined);
    const values = { 'tls.crt': '-----BEGIN\nab==\n', 'key.json': '{"ü":"☃"}', empty: '' };
    await store.write('a', values, undefined);
    const found = await store.read('a');
    t.deepEqual(found?.values, values);
    t.not(found?.resourceVersion, '');
    t.is(await store.read('b'), undefined);
  });

  test(`${name}: a new Secret does not take the place of one that is there`, async (t) => {
    const { store } = await open();
    await store.write('a', { key: 'first' }, undefined);
    await throwsRetryable(t, store.write('a', { key: 'second' }, undefined), 'conflict');
    t.deepEqual((await store.read('a'))?.values, { key: 'first' });
  });

  test(`${name}: the version that was read is replaced as a whole, once`, async (t) => {
    const { store } = await open();
    await store.write('a', { one: '1', two: '2' }, undefined);
    const version = (await store.read('a'))?.resourceVersion;
    await store.write('a', { two: '3' }, version);
    const found = await store.read('a');
    t.deepEqual(found?.values, { two: '3' });
    t.not(found?.resourceVersion, version);
    await throwsRetryable(t, store.write('a', { two: '4' }, version), 'conflict');
    t.deepEqual((await store.read('a'))?.values, { two: '3' });
    await store.write('a', {}, found?.resourceVersion);
    t.deepEqual((await store.read('a'))?.values, {});
  });

  test(`${name}: a Secret that somebody removed is gone, and a write of its last version conflicts`, async (t) => {
    const { store, remove } = await open();
    await store.write('a', { key: '1' }, undefined);
    const version = (await store.read('a'))?.resourceVersion;
    await remove('a');
    t.is(await store.read('a'), undefined);
    await throwsRetryable(t, store.write('a', { key: '2' }, version), 'conflict');
    t.is(await store.read('a'), undefined);
    await store.write('a', { key: '3' }, undefined);
    t.deepEqual((await store.read('a'))?.values, { key: '3' });
  });

  test(`${name}: a ConfigMap has what was written last, and nothing else`, async (t) => {
    const { store, configMap } = await open();
    t.is(await configMap('a'), undefined);
    await store.writeConfigMap('a', { one: '1', two: '2' });
    await store.writeConfigMap('a', { two: '3' });
    t.deepEqual(await configMap('a'), { two: '3' });
    t.deepEqual([await store.readConfigMap('a'), await store.readConfigMap('b')], [{ two: '3' }, undefined]);
  });
}
