import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { Mesh } from './mesh.ts';
import type { MeshPod } from './mesh-pod.ts';

export interface TwoPods {
  readonly mesh: Mesh;
  readonly a: MeshPod;
  readonly b: MeshPod;
}

/** Two pods of the node `west`, whose agent is this process. */
export async function twoPods(): Promise<TwoPods> {
  buildCaptureObject();
  const mesh = await Mesh.open({ west: ['a', 'b'] });
  mesh.node('west').becomeAgent();
  return { mesh, a: mesh.pod('a'), b: mesh.pod('b') };
}
