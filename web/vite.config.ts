import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";
import { configDefaults } from "vitest/config";

export default defineConfig(({ mode }) => {
  // Where `npm run dev` finds the API: `cultivar up`, or `npm run mock`.
  const api = loadEnv(mode, ".", "CULTIVAR_").CULTIVAR_DEV_API ?? "http://127.0.0.1:7878";
  return {
    plugins: [react()],
    build: {
      target: "es2023",
      // The page's policy is `default-src 'none'`: every asset is a file of its own.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    // The server compares Origin with Host, so the host must stay the page's own.
    server: { proxy: { "/api": { target: api, changeOrigin: false } } },
    test: { environment: "node", exclude: [...configDefaults.exclude, "dist"] },
  };
});
