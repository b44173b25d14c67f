import { createHash } from 'node:crypto';
import test from 'ava';
import { archiveEntries, describeImage, type Image, type Layer } from './image-archive.ts';
import type { TarEntry } from './tar.ts';

const layer = (letter: string): Layer => ({ digest: `sha256:${letter.repeat(64)}`, sizeBytes: 10, file: `/layers/${letter}.tar` });
const image: Image = { name: 'lab.local/x:1', layers: [layer('a'), layer('b')], entrypoint: ['/x'], env: { PATH: '/bin' } };

const textOf = (entries: readonly TarEntry[], path: string): string => {
  const entry = entries.find((candidate) => candidate.path === path);
  if (entry?.kind !== 'file' || !('content' in entry.source)) throw new Error(`${path} is no file with content`);
  return new TextDecoder().decode(entry.source.content);
};

test('the index names a manifest whose digests are true and whose layers are in order', (t) => {
  const entries = archiveEntries([image]);
  const index = JSON.parse(textOf(entries, 'index.json'));
  t.is(index.manifests[0].annotations['io.containerd.image.name'], 'lab.local/x:1');
  const manifestPath = `blobs/${index.manifests[0].digest.replace(':', '/')}`;
  const manifestText = textOf(entries, manifestPath);
  t.is(index.manifests[0].digest, `sha256:${createHash('sha256').update(manifestText).digest('hex')}`);
  const manifest = JSON.parse(manifestText);
  t.deepEqual(manifest.layers.map((l: { digest: string }) => l.digest), image.layers.map((l) => l.digest));
  const config = JSON.parse(textOf(entries, `blobs/${manifest.config.digest.replace(':', '/')}`));
  t.deepEqual(config.rootfs.diff_ids, image.layers.map((l) => l.digest));
  t.deepEqual(config.config, { Entrypoint: ['/x'], Env: ['PATH=/bin'], WorkingDir: '/' });
});

test('a layer shared by two images is stored once, and a known one not at all', (t) => {
  const other: Image = { ...image, name: 'lab.local/y:1', layers: [layer('a')] };
  const paths = (known?: Set<string>): string[] => archiveEntries([image, other], known).map((entry) => entry.path);
  t.is(paths().filter((path) => path.endsWith('a'.repeat(64))).length, 1);
  const without = paths(new Set([layer('a').digest]));
  t.false(without.some((path) => path.endsWith('a'.repeat(64))));
  t.true(without.some((path) => path.endsWith('b'.repeat(64))));
});

test('the manifest depends on the layers, not on the name', (t) => {
  t.is(describeImage(image).manifest.digest, describeImage({ ...image, name: 'lab.local/z:2' }).manifest.digest);
});
