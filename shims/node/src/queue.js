/**
 * First in, first out, in constant time however long it gets.
 *
 * Knows nothing of its items but that each has room for a link to the next one.
 */

/** @typedef {{ next: any }} Linked */

/** @template {Linked} T */
export class Queue {
  /** @type {T | undefined} */
  #first;
  /** @type {T | undefined} */
  #last;

  get empty() {
    return this.#first === undefined;
  }

  /** @param {T} item which is in no queue */
  push(item) {
    if (this.#last === undefined) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
  }

  /** @returns {T | undefined} */
  shift() {
    const item = this.#first;
    if (item === undefined) return undefined;
    this.#first = item.next;
    if (this.#first === undefined) this.#last = undefined;
    item.next = undefined;
    return item;
  }
}
