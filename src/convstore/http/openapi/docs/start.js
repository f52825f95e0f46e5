// Starts Swagger UI on the document that the page names.
const page = document.getElementById("page");
window.ui = SwaggerUIBundle({
  url: page.dataset.document,
  domNode: page,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  // Reading may be tried from here; what changes anything may not.
  supportedSubmitMethods: ["get"],
  // Nothing is fetched from elsewhere: neither a badge nor another document that an address could name.
  validatorUrl: null,
  queryConfigEnabled: false,
});
