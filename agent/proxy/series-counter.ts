import type { CounterConfiguration, LabelValues } from 'prom-client';
import Counter from 'prom-client/lib/counter.js';

/** Labels that many values share, and their text, which is made once. */
export interface SharedLabels<T extends string> {
  readonly labels: LabelValues<T>;
  /** As {@link labelText} makes it. */
  readonly text: string;
}

export interface Sample<T extends string> {
  readonly shared: SharedLabels<T>;
  readonly label: T;
  readonly labelValue: string;
  readonly value: number;
}

/**
 * A counter whose values lie elsewhere and are read when somebody asks. prom-client makes a text of all labels for
 * each increment, also of a bound child; with the two dozen labels of a connection that costs more than the connection.
 */
export class SeriesCounter<T extends string> extends Counter<T> {
  readonly #name: string;
  readonly #help: string;
  readonly #samples: () => Iterable<Sample<T>>;

  constructor(options: CounterConfiguration<T> & { readonly samples: () => Iterable<Sample<T>> }) {
    const { samples, ...configuration } = options;
    super(configuration);
    this.#name = configuration.name;
    this.#help = configuration.help;
    this.#samples = samples;
  }

  override async get(): ReturnType<Counter<T>['get']> {
    const values = [...this.#samples()].map(({ shared, label, labelValue, value }) => ({ labels: { ...shared.labels, [label]: labelValue } as LabelValues<T>, value }));
    return { ...(await super.get()), values };
  }

  /** Its part of the Prometheus text format, line by line. */
  *lines(): Iterable<string> {
    yield `# HELP ${this.#name} ${this.#help}\n`;
    yield `# TYPE ${this.#name} counter\n`;
    for (const { shared, label, labelValue, value } of this.#samples()) yield `${this.#name}{${shared.text},${label}="${labelValue}"} ${value}\n`;
  }
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')}"`).join();
}
