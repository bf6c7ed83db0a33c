function kind(r) { return 'server { ssl_certificate /etc/ssl/untouched/a.pem; }'; }
function hello(r) { r.return(200, kind(r)); }
export default { kind, hello };
