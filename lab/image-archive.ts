import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { TarEntry } from './tar.ts';

/** A layer as a file: an uncompressed tar, so its digest is its diff id too. */
export interface Layer {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly file: string;
}

export interface Image {
  /** Full name with tag, such as `lab.local/demo:1`. */
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly entrypoint: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface Blob {
  readonly digest: string;
  readonly content: Uint8Array;
}

/**
 * The entries of an OCI image layout archive (image-spec 1.1, image-layout.md) that containerd imports.
 * Layers that the importing containerd has already may be left out with `known`.
 */
export function archiveEntries(images: readonly Image[], known: ReadonlySet<string> = new Set()): readonly TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const add = (path: string, content: Uint8Array): void => void entries.set(path, { kind: 'file', path, mode: 0o644, source: { content } });
  const manifests = images.map((image) => {
    const { config, manifest } = describeImage(image);
    for (const blob of [config, manifest]) add(blobPath(blob.digest), blob.content);
    for (const layer of image.layers.filter((layer) => !known.has(layer.digest))) {
      const path = blobPath(layer.digest);
      entries.set(path, { kind: 'file', path, mode: 0o644, source: { file: layer.file } });
    }
    return {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: manifest.digest,
      size: manifest.content.length,
      platform: { architecture: 'amd64', os: 'linux' },
      annotations: { 'io.containerd.image.name': image.name, 'org.opencontainers.image.ref.name': image.name },
    };
  });
  add('index.json', json({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }));
  add('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
  return [...entries.values()];
}

/** The config and manifest blobs of an image (image-spec 1.1, config.md and manifest.md). */
export function describeImage(image: Image): { readonly config: Blob; readonly manifest: Blob } {
  const config = blobOf({
    architecture: 'amd64',
    os: 'linux',
    config: { Entrypoint: image.entrypoint, Env: Object.entries(image.env).map(([name, value]) => `${name}=${value}`), WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: image.layers.map((layer) => layer.digest) },
    history: image.layers.map(() => ({ created_by: 'landbridge lab' })),
  });
  const manifest = blobOf({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config.digest, size: config.content.length },
    layers: image.layers.map((layer) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer.digest, size: layer.sizeBytes })),
  });
  return { config, manifest };
}

const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;
const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));

function blobOf(value: object): Blob {
  const content = json(value);
  return { digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, content };
}
