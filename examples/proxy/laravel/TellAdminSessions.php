<?php

namespace App\Http\Middleware;

use Closure;
use Illuminate\Http\Request;

// What a request did, told to adminsessions proxy. Handlers say more with
// $request->attributes->set('audit', ['Action' => 'clients.suspend', 'Resource' => 'client/7731 Acme',
//     'Changes' => json_encode(['status' => ['active', 'suspended']])]);
class TellAdminSessions
{
    public function handle(Request $request, Closure $next)
    {
        $response = $next($request);
        $said = $request->attributes->get('audit', []);
        if ($user = $request->user()) {
            $said += ['Id' => (string) $user->getAuthIdentifier(), 'Email' => $user->email, 'Name' => $user->name];
        }
        foreach ($said as $name => $value) {
            $response->headers->set("X-Audit-$name", "UTF-8''" . rawurlencode($value));
        }

        return $response;
    }
}
