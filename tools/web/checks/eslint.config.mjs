import js from "@eslint/js";

const browser = [
  "AbortController", "Blob", "DecompressionStream", "ImageData", "MessageChannel", "Response",
  "URL", "Worker", "WebAssembly", "addEventListener", "clearTimeout", "console",
  "createImageBitmap", "document", "fetch", "location", "matchMedia", "navigator", "performance",
  "requestAnimationFrame", "self", "setTimeout",
];

export default [
  js.configs.recommended,
  {
    languageOptions: {
      ecmaVersion: 2024,
      globals: Object.fromEntries(browser.map((name) => [name, "readonly"])),
    },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-shadow": "error",
      "no-console": "error",
      "max-lines-per-function": ["error", 45],
      complexity: ["error", 12],
    },
  },
  { files: ["**/lab.js"], languageOptions: { sourceType: "script" } },
];
