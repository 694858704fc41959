AUTH_ISSUER = 'https://tenant.pigeon.example'
AUTH_AUDIENCE = 'https://loft.pigeon.example'
AUTH_ALGORITHMS = ['ES384']
DPOP_REQUIRED = True
