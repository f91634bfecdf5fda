window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // The documents of other services are none of this page's business.
  queryConfigEnabled: false,
  // No badge of a validator on the internet.
  validatorUrl: null,
});
