/**
 * Two helpers to build elements of a page.
 *
 * @module dom
 */

/**
 * An element with attributes and children; attributes that are `undefined` or `false` are omitted.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : String(value));
  element.append(...children);
  return element;
}

let made = 0;

/** An id that is unique in the page. @param {string} name */
export function freshId(name) {
  made += 1;
  return `nst-lab-${name}-${made}`;
}
