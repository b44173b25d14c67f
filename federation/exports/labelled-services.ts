import type { V1Namespace, V1Service } from '@kubernetes/client-node';
import type { ObjectSources, TakenChanges } from '../clusterset/object-sources.ts';
import { isOurs, keyOf, type ServiceExport } from '../kubernetes/types.ts';
import type { Change } from '../outputs/changes.ts';
import { EXPORT_LABEL, labelExportChange } from './label-exports.ts';

type Objects = Pick<ObjectSources, 'at' | 'list'>;

/** Finds Services whose ServiceExport is to be made, or taken away, because of a label. */
export class LabelledServices {
  readonly #objects: Objects;
  /** Of each namespace, what its label says. */
  readonly #namespaces = new Map<string, string>();

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  /** Keys, `<namespace>/<name>`, of those of which something is to be written now that these changed. */
  see({ keys }: Pick<TakenChanges, 'keys'>): ReadonlySet<string> {
    const looked = new Set([...keys.services, ...keys.exports]);
    const namespaces = new Set([...keys.namespaces].filter((key) => this.#saw(key)).map((key) => key.slice(1)));
    // A namespace's label changes seldom, and then all of its Services are looked at.
    if (namespaces.size > 0) for (const key of this.#known()) if (namespaces.has(key.slice(0, key.indexOf('/')))) looked.add(key);
    return new Set([...looked].filter((key) => this.change(key) !== undefined));
  }

  /** All of which something is to be written. */
  due(): readonly string[] {
    return [...this.#known()].filter((key) => this.change(key) !== undefined);
  }

  change(key: string): Change | undefined {
    return labelExportChange({
      service: this.#objects.at<V1Service>('services', key),
      namespace: this.#objects.at<V1Namespace>('namespaces', `/${key.slice(0, key.indexOf('/'))}`),
      serviceExport: this.#objects.at<ServiceExport>('exports', key),
    });
  }

  /** Services, and exports of ours whose Service may be gone. */
  #known(): ReadonlySet<string> {
    return new Set([...this.#objects.list<V1Service>('services').map(keyOf), ...this.#objects.list<ServiceExport>('exports').filter(isOurs).map(keyOf)]);
  }

  /** Whether a namespace says something else than before. */
  #saw(key: string): boolean {
    const { metadata } = this.#objects.at<V1Namespace>('namespaces', key) ?? {};
    const said = metadata === undefined ? '' : `${metadata.labels?.[EXPORT_LABEL] ?? ''} ${metadata.deletionTimestamp === undefined ? '' : 'ends'}`;
    const before = this.#namespaces.get(key) ?? '';
    if (said === '') this.#namespaces.delete(key);
    else this.#namespaces.set(key, said);
    return said !== before;
  }
}
