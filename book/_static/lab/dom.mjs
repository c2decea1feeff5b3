/**
 * Two helpers to build pieces of a page.
 *
 * @module dom
 */

/**
 * An element with attributes and children; `undefined` and `false` leave an attribute away.
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

/** An id that no other element of the page has. @param {string} name */
export function freshId(name) {
  made += 1;
  return `nst-lab-${name}-${made}`;
}
