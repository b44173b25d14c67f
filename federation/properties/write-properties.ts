import type { KubernetesObject } from '@kubernetes/client-node';
import type { ObjectSources } from '../clusterset/object-sources.ts';
import type { Writer } from '../outputs/writer.ts';
import { type Belonging, propertyChanges } from './cluster-properties.ts';

/** Writes the properties where their kind is defined; whether all say now what they should. */
export async function writeClusterProperties(objects: Pick<ObjectSources, 'at' | 'versionOf'>, writer: Pick<Writer, 'write'>, belonging: Belonging): Promise<boolean> {
  const version = objects.versionOf('clusterProperties');
  if (version === undefined) return true;
  const changes = propertyChanges(version, belonging, (name) => objects.at<KubernetesObject>('clusterProperties', `/${name}`));
  const written = await Promise.all(changes.map(async (change) => await writer.write(change)));
  return written.every((isWritten) => isWritten);
}
