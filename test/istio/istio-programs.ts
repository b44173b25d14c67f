import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { CACHE } from '@landbridge/lab/paths.ts';
import { run } from '@landbridge/lab/run.ts';

/** Of Istio's programs, as {@link buildIstiod} and whoever built ztunnel leave them. */
export interface IstioPrograms {
  readonly istiod: string;
  readonly ztunnel: string;
  /** The folder of Istio's module, which has its definitions and the rules of istio-cni. */
  readonly source: string;
  /** For people. */
  readonly versions: string;
}

const MODULE = 'istio.io/istio';
/** The newest one that the module proxy has; the file VERSION in it says 1.31. */
export const ISTIO_VERSION = 'v0.0.0-20260827124520-eed52ebb66ad';
const DIRECTORY = path.join(CACHE, 'istio');

/** Builds istiod of the pinned version from its module, once: about half an hour of one processor. */
export async function buildIstiod(signal: AbortSignal): Promise<string> {
  const istiod = path.join(DIRECTORY, ISTIO_VERSION, 'pilot-discovery');
  if (existsSync(istiod)) return istiod;
  await mkdir(path.dirname(istiod), { recursive: true });
  const work = await mkdtemp(path.join(DIRECTORY, 'building-'));
  try {
    await run(['nice', '-n', '10', 'go', 'install', '-ldflags', '-s -w', `${MODULE}/pilot/cmd/pilot-discovery@${ISTIO_VERSION}`], { signal, env: { GOBIN: work, GOWORK: 'off', GOFLAGS: '-p=1' } });
    await rename(path.join(work, 'pilot-discovery'), istiod);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return istiod;
}

/** The folder of Istio's module, which Go keeps. */
export async function istioSource(signal: AbortSignal): Promise<string> {
  const { Dir } = JSON.parse(await run(['go', 'mod', 'download', '-json', `${MODULE}@${ISTIO_VERSION}`], { signal })) as { readonly Dir: string };
  return Dir;
}

/** The programs that the environment names; run.ts sets it. @throws LandbridgeError `machine-unfit` */
export async function programsOf({ ISTIOD, ZTUNNEL }: Readonly<Record<string, string | undefined>>, signal: AbortSignal): Promise<IstioPrograms> {
  if (ISTIOD === undefined || ZTUNNEL === undefined) throw new LandbridgeError('machine-unfit', 'ISTIOD and ZTUNNEL do not name the two programs', { hint: 'Run node test/istio/run.ts.' });
  const source = await istioSource(signal);
  return { istiod: ISTIOD, ztunnel: ZTUNNEL, source, versions: `istiod ${ISTIO_VERSION}, ztunnel ${revisionOf(await run([ZTUNNEL, 'version'], { signal }))}` };
}

/** Of what `ztunnel version` writes. */
const revisionOf = (text: string): string => /\bGitRevision:"([^"]*)"/.exec(text)?.[1] ?? text.trim();
