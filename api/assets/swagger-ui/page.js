// The language of the link that was followed, or the browser's first one of the two.
const asked = new URLSearchParams(location.search).get("lang");
const known = [asked, ...navigator.languages].map((language) => (language ?? "").slice(0, 2));
const lang = known.find((language) => language === "ja" || language === "en") ?? "en";

document.documentElement.lang = lang;
document.querySelector(`nav a[hreflang="${lang}"]`).setAttribute("aria-current", "true");

window.ui = SwaggerUIBundle({
  url: `/openapi.json?lang=${lang}`,
  dom_id: "#swagger-ui",
  deepLinking: true,
  // The documents of other services are none of this page's business.
  queryConfigEnabled: false,
  // No badge of a validator on the internet.
  validatorUrl: null,
});
