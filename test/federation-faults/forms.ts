/** What the long forms of the failure matrix have in common. */
export interface FormOptions {
  readonly minutes: number;
  /** Tells what was done, and how it went. */
  readonly print: (line: string) => void;
}

export interface Form {
  readonly what: string;
  /** Runs in a network namespace of its own. */
  readonly hasNetwork: boolean;
  /** As the case is described. */
  readonly minutes: number;
  /** Returns what should not have been. */
  readonly run: (options: FormOptions) => Promise<readonly string[]>;
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
