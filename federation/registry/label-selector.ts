/** Labels with their values, all of which something must have; of an empty one, none. */
export type Selector = readonly (readonly [label: string, value: string])[];

export function selects(selector: Selector, labels: Readonly<Record<string, string>>): boolean {
  return selector.every(([label, value]) => Object.hasOwn(labels, label) && labels[label] === value);
}
