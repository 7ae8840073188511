/** The last so many points of a series, in memory that never grows. */
export class Ring {
  readonly #times: Float64Array;
  readonly #values: Float64Array;
  #next = 0;
  #size = 0;

  constructor(readonly capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  push(time: number, value: number): void {
    this.#times[this.#next] = time;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.capacity;
    this.#size = Math.min(this.#size + 1, this.capacity);
  }

  /** Oldest first. */
  points(): [times: number[], values: number[]] {
    const times: number[] = [];
    const values: number[] = [];
    for (let index = 0; index < this.#size; index++) {
      const place = (this.#next - this.#size + index + this.capacity) % this.capacity;
      times.push(this.#times[place] ?? 0);
      values.push(this.#values[place] ?? 0);
    }
    return [times, values];
  }
}
