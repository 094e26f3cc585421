<?php

namespace App\Http\Middleware;

use Closure;
use Illuminate\Http\Request;

// What a request did, told to adminsessions proxy: a global middleware, or one of
// the group web. Handlers say more with
// $request->attributes->set('audit', ['Action' => 'clients.suspend', 'Resource' => 'client/7731 Acme',
//     'Changes' => ['status' => ['active', 'suspended']]]);
class TellAdminSessions
{
    public function handle(Request $request, Closure $next)
    {
        $response = $next($request);
        $said = $request->attributes->get('audit', []);
        if ($user = $request->user()) {
            $said += ['Id' => (string) $user->getAuthIdentifier(), 'Email' => $user->email ?? null, 'Name' => $user->name ?? null];
        }
        foreach (array_filter($said, fn ($value) => $value !== null) as $name => $value) {
            $text = is_array($value) ? json_encode($value, JSON_INVALID_UTF8_SUBSTITUTE) : (string) $value;
            $response->headers->set("X-Audit-$name", "UTF-8''" . rawurlencode($text));
        }

        return $response;
    }
}
